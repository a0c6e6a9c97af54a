//! What a file was when its reading began.

use std::path::{Path, PathBuf};

use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::Epoch;

use super::fixture::{Fixture, ITEMS};
use crate::postgres::Origins;

#[tokio::test(flavor = "multi_thread")]
async fn the_first_reading_decides_for_all_lives() {
    let fixture = Fixture::new(ITEMS).await;
    let file = fixture.file().await;
    let origins = Origins::new(fixture.database.clone());
    let of = |epoch, path: &str| origins.of(file, Epoch(epoch), PathBuf::from(path));
    let first = of(1, "/in/a b.csv").await.expect("noted");
    assert_eq!(first.0, Path::new("/in/a b.csv"));
    let stored =
        "select load_time = 'TIME', load_time > now() - interval '1 min' from ingestd.files";
    let stored = fixture.ask(&stored.replace("TIME", &first.1)).await;
    assert_eq!(stored, ["t|t"]);

    fixture
        .client
        .batch_execute("update ingestd.files set epoch = 2")
        .await
        .expect("a newer claim");
    let fenced = of(1, "/in/a b.csv").await.expect_err("an older claim");
    assert_eq!(fenced.kind(), ErrorKind::Fenced);
    assert_eq!(of(2, "/in/renamed.csv").await.expect("known"), first);
}
