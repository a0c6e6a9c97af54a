//! The page's files, as they are sent: made once, at the first request.

use std::io::Write;
use std::sync::OnceLock;

use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Where the digest of all files stands in the page.
const DIGEST: &str = "{{digest}}";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const ICON: &str = "image/svg+xml";

const PAGE: &str = include_str!("assets/index.html");

/// All but the page itself: name, type, text. Chart.js comes with a crate of its own, as it was
/// published.
const FILES: &[(&str, &str, &str)] = &[
    ("chart.umd.js", SCRIPT, rustlavel_chart::plugin::CHART_JS),
    ("style.css", STYLE, include_str!("assets/style.css")),
    ("icon.svg", ICON, include_str!("assets/icon.svg")),
    ("alerts.js", SCRIPT, include_str!("assets/alerts.js")),
    ("api.js", SCRIPT, include_str!("assets/api.js")),
    ("charts.js", SCRIPT, include_str!("assets/charts.js")),
    ("dialogs.js", SCRIPT, include_str!("assets/dialogs.js")),
    ("dom.js", SCRIPT, include_str!("assets/dom.js")),
    ("events.js", SCRIPT, include_str!("assets/events.js")),
    ("file.js", SCRIPT, include_str!("assets/file.js")),
    ("files.js", SCRIPT, include_str!("assets/files.js")),
    ("findings.js", SCRIPT, include_str!("assets/findings.js")),
    ("flight.js", SCRIPT, include_str!("assets/flight.js")),
    ("history.js", SCRIPT, include_str!("assets/history.js")),
    ("letter.js", SCRIPT, include_str!("assets/letter.js")),
    ("letters.js", SCRIPT, include_str!("assets/letters.js")),
    ("main.js", SCRIPT, include_str!("assets/main.js")),
    ("pipelines.js", SCRIPT, include_str!("assets/pipelines.js")),
    ("status.js", SCRIPT, include_str!("assets/status.js")),
    ("stream.js", SCRIPT, include_str!("assets/stream.js")),
    ("text.js", SCRIPT, include_str!("assets/text.js")),
    ("times.js", SCRIPT, include_str!("assets/times.js")),
    ("tree.js", SCRIPT, include_str!("assets/tree.js")),
];

/// A file.
pub struct Asset {
    name: &'static str,
    /// Its type.
    pub kind: &'static str,
    /// As it is.
    pub plain: Bytes,
    /// Compressed.
    pub gzip: Option<Bytes>,
    /// What it is known by. Weak: both forms have the same.
    pub etag: String,
}

/// The files.
pub struct Assets {
    /// The digest of all of them: a part of their paths.
    pub digest: String,
    /// The page.
    pub page: Asset,
    files: Vec<Asset>,
}

impl Assets {
    /// All of them.
    pub fn get() -> &'static Assets {
        static ASSETS: OnceLock<Assets> = OnceLock::new();
        ASSETS.get_or_init(Assets::make)
    }

    /// One of them, but for the page.
    pub fn find(&self, name: &str) -> Option<&Asset> {
        self.files.iter().find(|file| file.name == name)
    }

    fn make() -> Assets {
        let mut hasher = blake3::Hasher::new();
        for (name, _, text) in FILES {
            hasher.update(name.as_bytes());
            hasher.update(text.as_bytes());
        }
        let digest = short(&hasher.finalize());
        let page = PAGE.replace(DIGEST, &digest);
        let files = FILES.iter();
        let files = files
            .map(|(name, kind, text)| Asset::of(name, kind, Bytes::from_static(text.as_bytes())));
        Assets {
            page: Asset::of("", HTML, Bytes::from(page)),
            files: files.collect(),
            digest,
        }
    }
}

impl Asset {
    fn of(name: &'static str, kind: &'static str, plain: Bytes) -> Asset {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // A vector takes all that is written.
        let gzip = encoder.write_all(&plain).and_then(|()| encoder.finish());
        Asset {
            name,
            kind,
            etag: format!("W/\"{}\"", short(&blake3::hash(&plain))),
            gzip: gzip.map(Bytes::from).ok(),
            plain,
        }
    }
}

fn short(hash: &blake3::Hash) -> String {
    hash.to_hex().as_str()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Read;

    use sha2::{Digest, Sha256};

    use super::*;

    /// The SHA-256 of `dist/chart.umd.js` in the package chart.js 4.5.1, as its makers have published it:
    /// `npm pack chart.js@4.5.1 && tar xzf chart.js-4.5.1.tgz && sha256sum package/dist/chart.umd.js`.
    const CHART_JS: &str = "ecc3cd1eeb8c34d2178e3f59fd63ec5a3d84358c11730af0b9958dc886d7652a";

    /// Whatever the crate that carries it does: another text does not pass, be it by one character.
    #[test]
    fn the_library_for_charts_is_the_one_that_was_published() {
        let text = rustlavel_chart::plugin::CHART_JS;
        assert!(text.starts_with("/*!\n * Chart.js v4.5.1\n"), "its version");
        let digest: String = Sha256::digest(text)
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect();
        assert_eq!(digest, CHART_JS);
        // It is what is sent.
        let sent = Assets::get().find("chart.umd.js").expect("a file");
        assert_eq!(sent.plain, text.as_bytes());
    }

    #[test]
    fn the_page_refers_to_files_that_there_are_and_to_nothing_elsewhere() {
        let assets = Assets::get();
        let page = std::str::from_utf8(&assets.page.plain).expect("text");
        assert!(!page.contains("{{"), "{page}");
        let start = format!("/assets/{}/", assets.digest);
        let mut named = BTreeSet::new();
        for quote in ["src=\"", "href=\""] {
            for rest in page.split(quote).skip(1) {
                let target = rest.split('"').next().expect("its end");
                if target.starts_with('#') {
                    continue;
                }
                let name = target.strip_prefix(&start);
                let name = name.unwrap_or_else(|| panic!("{target} is elsewhere"));
                assert!(assets.find(name).is_some(), "{name}");
                named.insert(name.to_owned());
            }
        }
        for script in FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT) {
            let (name, _, text) = script;
            // Loaded at once, and not one after the other; but for the charts, which come later.
            assert!(named.contains(*name) || *name == "chart.umd.js", "{name}");
            if *name == "chart.umd.js" {
                continue;
            }
            for rest in text.split("from \"./").skip(1) {
                let other = rest.split('"').next().expect("its end");
                assert!(assets.find(other).is_some(), "{name} imports {other}");
            }
            for bad in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "http://",
                "https://",
            ] {
                assert!(!text.contains(bad), "{name} has {bad}");
            }
        }
    }

    #[test]
    fn the_page_has_no_script_and_no_style_of_its_own() {
        let page = std::str::from_utf8(&Assets::get().page.plain).expect("text");
        for bad in [" style=", "<style", " onclick=", "javascript:"] {
            assert!(!page.contains(bad), "{bad}");
        }
        for script in page.split("<script").skip(1) {
            let (head, rest) = script.split_once('>').expect("its end");
            assert!(head.contains("src="), "{head}");
            assert!(rest.starts_with("</script>"));
        }
    }

    #[test]
    fn what_is_compressed_is_the_same() {
        let assets = Assets::get();
        for asset in assets.files.iter().chain([&assets.page]) {
            let mut text = Vec::new();
            let gzip = asset.gzip.as_deref().expect("compressed");
            let mut decoder = flate2::read::GzDecoder::new(gzip);
            decoder.read_to_end(&mut text).expect(asset.name);
            assert_eq!(text, asset.plain, "{}", asset.name);
        }
        let sizes = assets.files.iter().filter_map(|it| it.gzip.as_ref());
        let sent: usize = sizes.map(Bytes::len).sum();
        assert!(sent < 150_000, "{sent} bytes for a first visit");
    }
}
