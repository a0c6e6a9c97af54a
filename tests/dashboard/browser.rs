//! A headless Chromium, of one test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::prelude::*;
use thirtyfour::session::http::{Body, HttpClient};
use thirtyfour::{ChromiumLikeCapabilities, LoggingPrefsLogLevel};
use tokio::runtime::Runtime;

use crate::support::{PATIENCE, Scratch};

/// Keys, as WebDriver knows them.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const ESCAPE: &str = "\u{e00c}";

/// One browser at a time: each takes as much of the machine as it gets.
static ONE: Mutex<()> = Mutex::new(());

/// A browser that ends with the test, however that ends.
pub struct Browser {
    driver: Option<WebDriver>,
    runtime: Runtime,
    keeper: Child,
    _profile: Scratch,
    _one: MutexGuard<'static, ()>,
}

impl Browser {
    /// A window of so many pixels.
    pub fn open(width: u32, height: u32) -> Browser {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = Scratch::new();
        // The keeper reads from a pipe that ends with this process, even when that is killed. It waits for
        // nobody: a driver whose browser hangs would not end.
        let script = "setsid chromedriver --port=0 </dev/null &\nread end\nkill -KILL -$!\n";
        let mut keeper = Command::new("sh")
            .args(["-c", script])
            .env("TMPDIR", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let port = port(&mut keeper);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            // As root there is none.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            // Nothing of its own accord.
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
        ] {
            capabilities.add_arg(argument).expect("an argument");
        }
        let profile_argument = format!(
            "--user-data-dir={}",
            profile.path().join("profile").display()
        );
        capabilities
            .add_arg(&profile_argument)
            .expect("an argument");
        for log in ["browser", "performance"] {
            capabilities
                .set_logging_prefs(log, LoggingPrefsLogLevel::All)
                .expect("a log");
        }
        let connecting = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities);
        let driver = runtime.block_on(connecting.client(Wire).connect());
        let browser = Browser {
            driver: Some(driver.expect("a browser: is chromium installed?")),
            runtime,
            keeper,
            _profile: profile,
            _one: one,
        };
        browser.resize(width, height);
        browser
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("it is open")
    }

    fn devtools(&self, command: &str, parameters: Value) -> Value {
        let tools = self.driver().cdp();
        let done = self.runtime.block_on(tools.send_raw(command, parameters));
        done.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Gives the window another size: also those that no window of a screen has.
    pub fn resize(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Whether whoever looks has a dark screen.
    pub fn prefer(&self, feature: &str, value: &str) {
        let media = json!({"features": [{"name": feature, "value": value}]});
        self.devtools("Emulation.setEmulatedMedia", media);
    }

    pub fn go(&self, url: &str) {
        self.runtime
            .block_on(self.driver().goto(url))
            .expect("a page");
    }

    /// Opens another tab, and looks at it; the one from before.
    pub fn open_tab(&self) -> WindowHandle {
        let driver = self.driver();
        let opening = async {
            let before = driver.window().await?;
            let tab = driver.new_tab().await?;
            driver.switch_to_window(tab).await?;
            Ok::<_, WebDriverError>(before)
        };
        self.runtime.block_on(opening).expect("a tab")
    }

    /// Looks at a tab again.
    pub fn look_at(&self, tab: &WindowHandle) {
        let turning = self.driver().switch_to_window(tab.clone());
        self.runtime.block_on(turning).expect("a tab");
    }

    /// Runs a script in each page that is opened from now on, before those of its own.
    pub fn before_all(&self, script: &str) {
        let source = json!({"source": script});
        self.devtools("Page.addScriptToEvaluateOnNewDocument", source);
    }

    /// Forgets what it has kept of pages.
    pub fn forget(&self) {
        self.devtools("Network.clearBrowserCache", json!({}));
    }

    /// What a script gives to `done`, its only argument.
    pub fn js_later(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; {script}");
        let waiting = self.driver().execute_async(&script, vec![]);
        let done = self.runtime.block_on(waiting);
        let done = done.unwrap_or_else(|error| panic!("{script}: {error}"));
        done.json().clone()
    }

    /// What a script returns.
    pub fn js(&self, script: &str) -> Value {
        let done = self.runtime.block_on(self.driver().execute(script, vec![]));
        let done = done.unwrap_or_else(|error| panic!("{script}: {error}"));
        done.json().clone()
    }

    /// Waits until an expression is true.
    pub fn wait(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.js(&format!("return Boolean({expression})")) != true {
            if Instant::now() > deadline {
                let text = self.js("return document.body.innerText");
                panic!(
                    "waited in vain for {expression}: {:?}\n{}",
                    self.complaints(),
                    text.as_str().unwrap_or_default()
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The text of the first element that a selector finds; nothing where there is none.
    pub fn text(&self, selector: &str) -> String {
        let found = self.js(&format!(
            "return document.querySelector({})?.textContent ?? ''",
            json!(selector)
        ));
        found.as_str().expect("a text").to_owned()
    }

    /// Waits until an element has this in its text.
    pub fn wait_for_text(&self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        self.wait(&format!(
            "document.querySelector({selector})?.textContent.includes({text})"
        ));
    }

    /// Clicks what an XPath finds, as a person would: it has to be there to be seen.
    pub fn click(&self, path: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let clicked = self.runtime.block_on(async {
                let found = self.driver().find(By::XPath(path.to_owned())).await?;
                // Out from under what stays in its place while the page is scrolled.
                let middle = "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})";
                self.driver()
                    .execute(middle, vec![found.to_json()?])
                    .await?;
                found.click().await
            });
            match clicked {
                Ok(()) => return,
                // It may come, or stand behind something that goes.
                Err(error) if Instant::now() > deadline => panic!("{path}: {error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Types, or presses keys, wherever the focus is.
    pub fn keys(&self, keys: &str) {
        let chain = self.driver().action_chain().send_keys(keys);
        self.runtime.block_on(chain.perform()).expect("keys");
    }

    /// What the console has to complain about: errors, and what the policy has kept from happening.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.runtime.block_on(self.driver().get_log("browser"));
        let entries = entries.expect("the console");
        let severe = entries
            .into_iter()
            .filter(|entry| entry.level == "SEVERE" || entry.level == "WARNING");
        severe.map(|entry| entry.message).collect()
    }

    /// The addresses that were asked for since the last time.
    pub fn requests(&self) -> Vec<String> {
        let entries = self.runtime.block_on(self.driver().get_log("performance"));
        let mut asked = Vec::new();
        for entry in entries.expect("the log of requests") {
            let message: Value = serde_json::from_str(&entry.message).expect("JSON");
            let message = &message["message"];
            if message["method"] == "Network.requestWillBeSent" {
                let url = message["params"]["request"]["url"].as_str();
                asked.push(url.expect("an address").to_owned());
            }
        }
        asked
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            // Whatever has gone wrong, it is gone with its driver.
            let _ = self.runtime.block_on(driver.quit());
        }
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Where the driver says that it listens.
fn port(keeper: &mut Child) -> u16 {
    let out = keeper.stdout.take().expect("a pipe");
    let (tell, told) = channel();
    // Whatever else it says has somewhere to go.
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once("started successfully on port ") {
                // Nobody may wait for it any more.
                let _ = tell.send(rest.trim_end_matches('.').parse());
            }
        }
    });
    let port = told.recv_timeout(PATIENCE);
    let port = port.expect("chromedriver starts: is chromium-driver installed?");
    port.expect("a port")
}

/// Requests to the driver, one connection each.
struct Wire;

#[async_trait::async_trait]
impl HttpClient for Wire {
    async fn send(
        &self,
        request: http::Request<Body<'_>>,
    ) -> WebDriverResult<http::Response<bytes::Bytes>> {
        let body = match request.body() {
            Body::Empty => String::new(),
            Body::Json(value) => value.to_string(),
        };
        let uri = request.uri();
        let head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            request.method(),
            uri.path(),
            uri.authority().expect("an address"),
            body.len()
        );
        let port = uri.port_u16().expect("a port");
        let (status, answer) = exchange(port, &format!("{head}{body}"))
            .map_err(|error| WebDriverError::RequestFailed(error.to_string()))?;
        let response = http::Response::builder().status(status);
        Ok(response.body(answer.into()).expect("a response"))
    }

    async fn new(&self) -> Arc<dyn HttpClient> {
        Arc::new(Wire)
    }
}

fn exchange(port: u16, text: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(text.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|it| it.parse().ok());
    let mut length = None;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok();
        }
    }
    let mut body = Vec::new();
    match length {
        Some(length) => {
            body.resize(length, 0);
            reader.read_exact(&mut body)?;
        }
        None => drop(reader.read_to_end(&mut body)?),
    }
    Ok((status.unwrap_or(0), body))
}
