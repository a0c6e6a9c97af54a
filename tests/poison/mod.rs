//! Rows that only the server refuses, at every place of a batch: the others are loaded, and it takes few
//! statements to find them.

mod outages;
mod places;

use std::fmt::Write;
use std::time::Duration;

use postgres::Client;

use crate::support::home::{Home, drop_file};
use crate::support::proxy::Proxy;
use crate::support::wait_until;

/// Why the server refuses a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poison {
    Check,
    ForeignKey,
    Trigger,
    OtherUnique,
    Deferrable,
    LongIndexRow,
}

impl Poison {
    /// Its SQLSTATE.
    fn code(self) -> &'static str {
        match self {
            Poison::Check => "23514",
            Poison::ForeignKey => "23503",
            Poison::Trigger => "P0001",
            Poison::OtherUnique | Poison::Deferrable => "23505",
            Poison::LongIndexRow => "54000",
        }
    }

    /// The rest of a record, behind its id.
    fn fields(self, id: usize) -> String {
        match self {
            Poison::Check => format!("-1,1,,{id},{id},"),
            Poison::ForeignKey => format!("1,999,,{id},{id},"),
            Poison::Trigger => format!("1,1,poison,{id},{id},"),
            Poison::OtherUnique => format!("1,1,,taken,{id},"),
            Poison::Deferrable => format!("1,1,,{id},-1,"),
            Poison::LongIndexRow => format!("1,1,,{id},{id},{}", incompressible(id)),
        }
    }
}

/// Longer than an entry of an index may be, however it is compressed.
fn incompressible(seed: usize) -> String {
    let mut number = seed as u64 + 1;
    let mut text = String::with_capacity(3_200);
    while text.len() < 3_200 {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        write!(text, "{:016x}", number ^ (number >> 29)).expect("text");
    }
    text
}

/// What refuses them all.
const TABLE: &str = "
    create table allowed (ref integer primary key);
    insert into allowed values (1);
    create table items (
        id bigint primary key,
        amount integer check (amount >= 0),
        ref integer references allowed,
        note text,
        code text unique,
        slot bigint unique deferrable initially deferred,
        long text
    );
    create index on items (long);
    create function refuse() returns trigger language plpgsql as $$
    begin
        if new.note = 'poison' then raise exception 'no'; end if;
        return new;
    end $$;
    create trigger refuse before insert on items for each row execute function refuse();
    insert into items values (-1, 0, 1, '', 'taken', -1, '');";

const PIPELINE: &str = "[pipelines.items]\ndirectory = \"inbox\"\ntable = \"public.items\"\n\
                        key = [\"id\"]\nsettle = \"10ms\"\npartitions = 1\nbatch_rows = 10_000\n";

/// A service behind a proxy, and what its files hold.
pub struct Place {
    pub proxy: Proxy,
    pub home: Home,
    pub client: Client,
    url: String,
    next: usize,
    rows: i64,
    letters: Vec<(String, i64, String)>,
}

impl Place {
    /// A home on the database of this URL and name.
    pub fn new(url: &str, name: &str) -> Place {
        let mut client = Client::connect(url, postgres::NoTls).expect("a connection");
        client.batch_execute(TABLE).expect("a table");
        let proxy = Proxy::before(url);
        let home = Home::new(Some(&proxy.url(name)), "", PIPELINE);
        home.directory("inbox");
        let migrated = home.ask(&["migrate"]);
        assert!(migrated.status.success(), "{migrated:?}");
        Place {
            proxy,
            home,
            client,
            url: url.to_owned(),
            next: 0,
            rows: 1,
            letters: Vec::new(),
        }
    }

    /// Drops a file of so many rows, of which these are bad, counted from 1; its name.
    pub fn drop_file(&mut self, rows: usize, bad: &[usize], poison: Poison) -> String {
        self.next += 1;
        let file = self.next;
        let mut text = "id,amount,ref,note,code,slot,long\n".to_owned();
        for record in 1..=rows {
            let id = file * 1_000_000 + record;
            let fields = match bad.contains(&record) {
                true => poison.fields(id),
                false => format!("1,1,,{id},{id},"),
            };
            writeln!(text, "{id},{fields}").expect("text");
        }
        let name = format!("{file:04}.csv");
        let letter = |record: &usize| (name.clone(), *record as i64, poison.code().to_owned());
        self.letters.extend(bad.iter().map(letter));
        self.rows += (rows - bad.len()) as i64;
        drop_file(&self.home.directory("inbox"), &name, text);
        name
    }

    /// Whether a file is in one of these states.
    pub fn is(&mut self, file: &str, states: &[&str]) -> bool {
        let state = "select state from ingestd.files where path like '%/' || $1";
        let row = self.client.query_opt(state, &[&file]).expect("a state");
        row.is_some_and(|row| states.contains(&row.get(0)))
    }

    pub fn wait_for(&mut self, file: &str) {
        wait_until(Duration::from_secs(60), || self.is(file, &["ARCHIVED"]));
    }

    /// Fails unless all good rows are there, and a dead letter for each bad one, once.
    pub fn assert_exactly_once(&mut self) {
        let rows = self.client.query_one("select count(*) from items", &[]);
        assert_eq!(rows.expect("a count").get::<_, i64>(0), self.rows);
        let letters = "select regexp_replace(path, '^.*/', ''), record, sqlstate
                       from ingestd.dead_letters join ingestd.files using (file_id) order by 1, 2";
        let letters = self
            .client
            .query(letters, &[])
            .expect("letters")
            .into_iter();
        let letters: Vec<(String, i64, String)> = letters
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect();
        assert_eq!(letters, self.letters);
        let sums = "select count(*) from ingestd.files
                    where records = inserted + rejected and state = 'ARCHIVED'";
        let sums = self.client.query_one(sums, &[]).expect("a count");
        assert_eq!(sums.get::<_, i64>(0), self.next as i64);
    }
}
