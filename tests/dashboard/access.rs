//! For those who can't see it, or not well: what tools such as axe look for, held by hand.

use super::*;
use crate::http::{drop_rows, home, start, wait_until_ready};
use crate::support::database;
use crate::support::home::drop_file;

/// What is wrong with the page as it stands, or with the dialog on it, in words.
const FAULTS: &str = r#"
const faults = [];
const fault = (what, it) => faults.push(`${what}: ${it.outerHTML.slice(0, 120)}`);
const seen = (it) => it.checkVisibility() && it.closest('[hidden]') === null;
const root = document.querySelector('dialog:modal') ?? document.body;
const all = (selector) => [...root.querySelectorAll(selector)].filter(seen);
const name = (it) => (it.getAttribute('aria-label') ?? '') || (it.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ').trim() || [...(it.labels ?? [])].map((label) => label.textContent).join(' ').trim() || it.textContent.trim();
if (!document.documentElement.lang) faults.push('no language');
if (!document.title) faults.push('no title');
for (const it of all('button, a, input, select, canvas, progress, summary, dialog, form, nav, [role=group], [role=img], [tabindex="0"]')) if (!name(it)) fault('no name', it);
if (root.localName === 'dialog' && !name(root)) fault('no name', root);
for (const it of all('img')) if (it.getAttribute('alt') === null) fault('no alt', it);
for (const it of all('[aria-labelledby]')) if (it.getAttribute('aria-labelledby').split(' ').some((id) => document.getElementById(id) === null)) fault('named by nothing', it);
for (const it of all('[tabindex]')) if (it.tabIndex > 0) fault('out of order', it);
const ids = [...document.querySelectorAll('[id]')].map((it) => it.id);
for (const id of new Set(ids)) if (ids.filter((it) => it === id).length > 1) faults.push(`twice: #${id}`);
let rank = root.localName === 'dialog' ? 1 : 0;
for (const it of all('h1, h2, h3, h4')) {
  const own = Number(it.localName[1]);
  if (own > rank + 1) fault(`a heading of rank ${own} below one of ${rank}`, it);
  rank = own;
}
for (const it of all('ul, ol')) if ([...it.children].some((child) => child.localName !== 'li')) fault('a list of other things', it);
for (const it of all('th')) if (!it.scope) fault('a heading of nothing', it);
for (const it of all('ul, ol, div, pre')) if (it.scrollHeight > it.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(it).overflowY) && it.tabIndex < 0) fault('scrolls by no key', it);
for (const it of all('button:not(.link), select, input:not([type=checkbox])')) { const { width, height } = it.getBoundingClientRect(); if (width < 24 || height < 24) fault(`small: ${width} × ${height}`, it); }
if (root.localName !== 'dialog') for (const place of ['main', 'header', 'nav', 'footer', 'h1', '[aria-live]']) if (all(place).length !== 1) faults.push(`${all(place).length} of ${place}`);
return faults;"#;

/// Of each kind of text, how it stands out from what is behind it.
const CONTRASTS: &str = "
const parse = (text) => { const c = text.match(/[\\d.]+/g).map(Number); return c.length > 3 && c[3] === 0 ? null : c; };
const light = (c) => { const f = (v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
const behind = (it) => { for (; it; it = it.parentElement) { const c = parse(getComputedStyle(it).backgroundColor); if (c) return c; } return [255, 255, 255]; };
const bad = [];
const root = document.querySelector('dialog:modal') ?? document.body;
for (const it of root.querySelectorAll('*')) {
  const own = [...it.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !it.checkVisibility() || it.closest('.past, .hidden, .skip, option, :disabled')) continue;
  const [a, b] = [light(parse(getComputedStyle(it).color)), light(behind(it))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) bad.push([it.tagName, it.className, it.textContent.slice(0, 30), contrast]);
}
return bad;";

/// Each thing that takes the focus shows that it has it.
const UNSEEN_FOCUS: &str = "
const root = document.querySelector('dialog:modal') ?? document.body;
const had = document.activeElement;
const bad = [];
for (const it of root.querySelectorAll('button, a[href], input, select, summary, [tabindex=\"0\"]')) {
  if (!it.checkVisibility() || it.disabled) continue;
  it.focus({focusVisible: true, preventScroll: true});
  if (document.activeElement !== it) continue;
  const { outlineStyle, outlineWidth } = getComputedStyle(it);
  if (outlineStyle === 'none' || parseFloat(outlineWidth) < 2) bad.push(it.outerHTML.slice(0, 120));
}
had?.focus?.({preventScroll: true});
return bad;";

fn assert_open_to_all(browser: &Browser, what: &str) {
    for scheme in ["light", "dark"] {
        browser.prefer("prefers-color-scheme", scheme);
        let contrasts = browser.js(CONTRASTS);
        assert_eq!(contrasts, serde_json::json!([]), "{what}, {scheme}");
    }
    assert_eq!(browser.js(FAULTS), serde_json::json!([]), "{what}");
    assert_eq!(browser.js(UNSEEN_FOCUS), serde_json::json!([]), "{what}");
}

#[test]
fn it_is_open_to_all() {
    let database = database();
    let home = home(&database, &["one", "two"]);
    let answering = start(&home);
    wait_until_ready(&answering.api);
    drop_rows(&home, "one", "first.csv", 0, 5);
    answering.api.post("/api/v1/pipelines/two/pause?wait=30");
    let inbox = home.directory("inbox/one");
    drop_file(&inbox, "bad.csv", "id,nothing\n1,2\n");
    drop_file(&inbox, "letters.csv", "id,note\n1,good\nx,2\n3,a,b\n");
    let browser = look(&answering, 1360, 1000);
    browser.wait_for_text("#file-rows", "bad.csv");
    browser.wait_for_text("#status", "in trouble");
    browser.wait_for_text("#letter-groups", "invalid value");
    browser.wait("document.querySelector('#chart-rows canvas')?.width > 100");
    for width in [1360, 360] {
        browser.resize(width, 1000);
        assert_open_to_all(&browser, &format!("the page, {width} wide"));
    }
    browser.resize(1360, 1000);
    browser.click("//section[@id='files']//button[.='bad.csv']");
    browser.wait_for_text("dialog.drawer", "What to do");
    assert_open_to_all(&browser, "a file");
    browser.click("//dialog[@class='drawer']//button[.='Retry']");
    browser.wait("document.querySelector('dialog.ask') !== null");
    assert_open_to_all(&browser, "a question");
    browser.keys(ESCAPE);
    browser.wait("document.querySelector('dialog.ask') === null");
    browser.keys(ESCAPE);
    browser.wait("document.querySelector('dialog') === null");
    browser.click("//section[@id='letters']//button[.='invalid value']");
    browser.click("(//dialog//summary)[1]");
    browser.wait("document.querySelector('dialog pre.record mark') !== null");
    assert_open_to_all(&browser, "dead letters");
    answering.service.stop();
}
