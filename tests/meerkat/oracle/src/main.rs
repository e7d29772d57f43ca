//! The configuration runtime of the published crate, as a process: what tests compare with.
//!
//! Decides how a command line becomes calls of the crate, and nothing about configuration.
//!
//! ```text
//! oracle defaults | template
//! oracle parse FILE | validate FILE                   FILE is read by the crate's own store
//! oracle answer SCRATCH                               questions about configurations on stdin: see `answering`
//! oracle get ROOT REALM
//! oracle set ROOT REALM FILE [--expected N]           FILE is TOML
//! oracle patch ROOT REALM JSON [--expected N]
//! oracle work ROOT REALM --writer NAME --seed N --seconds N --log FILE
//! ```
//!
//! `--exit at-once` (the default of every command but `work`) ends the process as soon as the call has returned, as
//! Meerkat's own commands do; `--exit settled` waits until the lock file is gone first. `--threads one` runs everything
//! on one thread, where a task that was only spawned never runs after the call.
//!
//! The answer is JSON on stdout, a refusal `{"error": text}` with status 1, a wrong command line status 2.

mod answering;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meerkat_core::{
    Config, ConfigDelta, ConfigResolvedPaths, ConfigRuntime, ConfigRuntimeError, ConfigSnapshot,
    ConfigStore, ConfigStoreMetadata, FileConfigStore, MemoryConfigStore, TaggedConfigStore,
};
use serde_json::{Map, Value, json};

type Failure = Box<dyn std::error::Error>;

struct Arguments {
    words: Vec<String>,
    options: Map<String, Value>,
}

impl Arguments {
    fn parse() -> Result<Self, Failure> {
        let (mut words, mut options) = (Vec::new(), Map::new());
        let mut rest = std::env::args().skip(1);
        while let Some(word) = rest.next() {
            match word.strip_prefix("--") {
                Some(name) => {
                    let value = rest.next().ok_or(format!("--{name} needs a value"))?;
                    options.insert(name.to_string(), value.into());
                }
                None => words.push(word),
            }
        }
        Ok(Self { words, options })
    }

    fn word(&self, place: usize) -> Result<&str, Failure> {
        Ok(self.words.get(place).ok_or("a word is missing")?)
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).and_then(Value::as_str)
    }

    fn expected(&self) -> Result<Option<u64>, Failure> {
        Ok(self.option("expected").map(str::parse).transpose()?)
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(arguments) if !arguments.words.is_empty() => arguments,
        _ => {
            eprintln!("usage: see the top of main.rs");
            return ExitCode::from(2);
        }
    };
    let mut builder = match arguments.option("threads") {
        Some("one") => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().expect("a runtime");
    let (answer, status) = match runtime.block_on(run(&arguments)) {
        Ok(answer) => (answer, ExitCode::SUCCESS),
        Err(error) => (json!({"error": error.to_string()}), ExitCode::FAILURE),
    };
    println!("{answer}");
    status
}

async fn run(arguments: &Arguments) -> Result<Value, Failure> {
    let command = arguments.word(0)?;
    match command {
        "defaults" => Ok(serde_json::to_value(Config::default())?),
        "template" => Ok(Config::template_toml().into()),
        "parse" => Ok(serde_json::to_value(read(arguments.word(1)?).await?)?),
        "validate" => {
            read(arguments.word(1)?).await?.validate()?;
            Ok(json!({"valid": true}))
        }
        "answer" => {
            answering::answer(Path::new(arguments.word(1)?)).await?;
            Ok(Value::Null)
        }
        _ => {
            let folder = Path::new(arguments.word(1)?).join(arguments.word(2)?);
            let runtime = runtime_on(&folder, arguments.word(2)?);
            let answer = on_a_realm(command, arguments, &runtime).await;
            if arguments.option("exit") == Some("settled") {
                settle(&folder).await;
            }
            answer
        }
    }
}

async fn on_a_realm(
    command: &str,
    arguments: &Arguments,
    runtime: &ConfigRuntime,
) -> Result<Value, Failure> {
    match command {
        "get" => shown(runtime.get().await?),
        "set" => {
            let config = read(arguments.word(3)?).await?;
            shown(runtime.set(config, arguments.expected()?).await?)
        }
        "patch" => {
            let delta = ConfigDelta(serde_json::from_str(arguments.word(3)?)?);
            shown(runtime.patch(delta, arguments.expected()?).await?)
        }
        "work" => work(arguments, runtime).await,
        _ => Err(format!("there is no command {command}").into()),
    }
}

/// The crate's own store and runtime on a realm's folder, tagged as its surfaces do.
fn runtime_on(folder: &Path, realm: &str) -> ConfigRuntime {
    let shown = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let metadata = ConfigStoreMetadata {
        realm_id: Some(realm.to_string()),
        instance_id: None,
        backend: None,
        resolved_paths: Some(ConfigResolvedPaths {
            root: folder.to_string_lossy().into_owned(),
            manifest_path: shown("realm_manifest.json"),
            config_path: shown("config.toml"),
            sessions_redb_path: shown("sessions.redb"),
            sessions_jsonl_dir: shown("sessions_jsonl"),
        }),
    };
    let files: Arc<dyn ConfigStore> = Arc::new(FileConfigStore::new(folder.join("config.toml")));
    let tagged: Arc<dyn ConfigStore> = Arc::new(TaggedConfigStore::new(files, metadata));
    ConfigRuntime::from_store_metadata(tagged).expect("the metadata has paths")
}

async fn read(file: &str) -> Result<Config, Failure> {
    // The store would take a missing file for the defaults.
    std::fs::metadata(file)?;
    Ok(FileConfigStore::new(PathBuf::from(file)).get().await?)
}

fn shown(snapshot: ConfigSnapshot) -> Result<Value, Failure> {
    Ok(
        json!({"generation": snapshot.generation, "config": snapshot.config, "metadata": snapshot.metadata}),
    )
}

/// The crate's merge is its own: it is reached through the one key of a configuration that holds any JSON.
///
/// Null at the top cannot be told from an absent value there.
async fn merge_patch(base: Value, patch: Value) -> Result<Value, Failure> {
    let mut config = Config::default();
    config.agent.provider_params = Some(base);
    let delta = ConfigDelta(json!({"agent": {"provider_params": patch}}));
    let merged = MemoryConfigStore::new(config).patch(delta).await?;
    Ok(json!({"result": merged.agent.provider_params}))
}

async fn settle(folder: &Path) {
    let lock = folder.join("config_state.lock");
    let begun = Instant::now();
    while lock.exists() && begun.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

// ---------------------------------------------------------------- many writes

/// A log that says what is about to happen before it happens.
struct Log {
    file: File,
    writer: String,
}

impl Log {
    fn say(&mut self, mut line: Value) -> Result<(), Failure> {
        line["writer"] = self.writer.clone().into();
        line["at"] = now_seconds()?.into();
        line["side"] = "oracle".into();
        let mut text = line.to_string();
        text.push('\n');
        Ok(self.file.write_all(text.as_bytes())?)
    }
}

/// Seconds since 1970: the clock that the logs of all processes here share.
fn now_seconds() -> Result<f64, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// Read, then patch one's own counter against what was read, until the time is over.
async fn work(arguments: &Arguments, runtime: &ConfigRuntime) -> Result<Value, Failure> {
    let text = |name: &str| arguments.option(name).ok_or(format!("--{name} is missing"));
    let writer = text("writer")?.to_string();
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(text("log")?)?;
    let mut log = Log {
        file,
        writer: writer.clone(),
    };
    let mut chance: u64 = text("seed")?.parse::<u64>()? | 1;
    let until = Instant::now() + Duration::from_secs_f64(text("seconds")?.parse()?);
    let mut value: u64 = 0;
    while Instant::now() < until {
        log.say(json!({"do": "read"}))?;
        let snapshot = match runtime.get().await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                log.say(json!({"done": "failed", "reason": error.to_string()}))?;
                continue;
            }
        };
        let (expected, seen) = (snapshot.generation, counters(&snapshot.config)?);
        log.say(json!({"done": "read", "generation": expected, "counters": seen}))?;
        value += 1;
        log.say(json!({"do": "write", "value": value, "expected": expected}))?;
        let own = json!({writer.as_str(): {"secs": value, "nanos": 0}});
        let delta = ConfigDelta(json!({"tools": {"tool_timeouts": own}}));
        log.say(match runtime.patch(delta, Some(expected)).await {
            Ok(after) => json!({"done": "written", "value": value, "generation": after.generation}),
            Err(error) => {
                use ConfigRuntimeError::{GenerationConflict, LockTimeout};
                let is_void = matches!(error, GenerationConflict { .. } | LockTimeout);
                let done = if is_void { "refused" } else { "unknown" };
                json!({"done": done, "value": value, "reason": error.to_string()})
            }
        })?;
        // Marsaglia's xorshift: up to twenty milliseconds of pause, the same ones for the same seed.
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        tokio::time::sleep(Duration::from_micros(chance % 20_000)).await;
    }
    Ok(json!({"attempts": value}))
}

/// What every writer's counter is, as far as the configuration has it.
fn counters(config: &Config) -> Result<Map<String, Value>, Failure> {
    let value = serde_json::to_value(&config.tools.tool_timeouts)?;
    let mut found = Map::new();
    for (name, duration) in value.as_object().into_iter().flatten() {
        found.insert(name.clone(), duration["secs"].clone());
    }
    Ok(found)
}
