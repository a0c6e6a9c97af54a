//! The page, in a real browser, of a real service.

mod access;
mod browser;
mod doors;
mod figures;
mod hostile;
mod letters;
mod shape;
mod standing;
mod tasks;

use browser::{Browser, ENTER, ESCAPE, TAB};

use crate::http::Answering;

/// Where the page is.
fn url(answering: &Answering) -> String {
    format!("http://{}/", answering.api.address)
}

/// Opens the page, and waits for its first picture.
fn look(answering: &Answering, width: u32, height: u32) -> Browser {
    let browser = Browser::open(width, height);
    browser.go(&url(answering));
    browser.wait_for_text("#link-text", "live");
    browser
}

/// Nothing was complained about, and nobody else was asked for anything.
fn assert_quiet(browser: &Browser, answering: &Answering) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
    let own = url(answering);
    let asked = browser.requests();
    assert!(
        asked.iter().any(|it| it.ends_with("/api/v1/stream")),
        "{asked:?}"
    );
    let others: Vec<&String> = asked
        .iter()
        .filter(|it| !it.starts_with(&own) && !it.starts_with("data:") && !it.starts_with("blob:"))
        // Where the browser was before it had a page.
        .filter(|it| !it.starts_with("chrome://") && !it.starts_with("about:"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

/// The row of a pipeline.
fn row(pipeline: &str) -> String {
    format!("//tr[@data-key='{pipeline}']")
}
