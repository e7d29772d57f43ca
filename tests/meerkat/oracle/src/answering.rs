//! Questions and answers about configurations, a line of JSON each: one process for hundreds of documents.
//!
//! Decides how a question becomes calls of the crate. Every answer comes from the crate's own store or loading; a text
//! goes through a file in a scratch folder, since that is how the crate reads one.
//!
//! ```text
//! {"ask": "defaults"}
//! {"ask": "template"}                                       -> {"text"}
//! {"ask": "read", "text"}                                   -> {"config", "refused"}
//! {"ask": "typed", "config"}                                -> {"config", "refused"}
//! {"ask": "set", "config"}                                  -> {"config", "text"}
//! {"ask": "patch", "text", "patch"}                         -> {"config", "text"}
//! {"ask": "merge", "texts"}                                 -> {"config", "refused"}
//! {"ask": "load", "folder", "home", "environment", "flags"} -> {"config", "refused", "hooks"}
//! {"ask": "merge-patch", "base", "patch"}                   -> {"result"}
//! ```
//!
//! `refused` is what the crate's own check of its rules says, null where it says nothing; a question that the crate
//! cannot answer gets `{"error": text}`. A configuration is printed by itself, never by way of another JSON value: the
//! latter would widen numbers of 32 bits.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use meerkat_core::config::CliOverrides;
use meerkat_core::{Config, ConfigDelta, ConfigStore, FileConfigStore, HooksConfig};
use serde_json::{Value, json};

use crate::{Failure, merge_patch};

/// Answer every line of standard input, until it ends; `scratch` is a folder that is there and ours.
pub async fn answer(scratch: &Path) -> Result<(), Failure> {
    for line in std::io::stdin().lock().lines() {
        let asked: Value = serde_json::from_str(&line?)?;
        let told = match answered(&asked, scratch).await {
            Ok(told) => told,
            Err(error) => json!({"error": error.to_string()}).to_string(),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{told}")?;
        out.flush()?;
    }
    Ok(())
}

async fn answered(asked: &Value, scratch: &Path) -> Result<String, Failure> {
    let path = scratch.join("config.toml");
    let store = FileConfigStore::new(path.clone());
    match text(asked, "ask")? {
        "defaults" => checked(&Config::default()),
        "template" => Ok(json!({"text": Config::template_toml()}).to_string()),
        "read" => {
            std::fs::write(&path, text(asked, "text")?)?;
            checked(&store.get().await?)
        }
        "typed" => checked(&serde_json::from_value(asked["config"].clone())?),
        "set" => {
            let config: Config = serde_json::from_value(asked["config"].clone())?;
            store.set(config.clone()).await?;
            written(&config, &path)
        }
        "patch" => {
            std::fs::write(&path, text(asked, "text")?)?;
            let config = store.patch(ConfigDelta(asked["patch"].clone())).await?;
            written(&config, &path)
        }
        "merge" => {
            let mut config = Config::default();
            for layer in asked["texts"].as_array().into_iter().flatten() {
                config.merge_toml_str(layer.as_str().ok_or("a layer is text")?)?;
            }
            checked(&config)
        }
        "load" => load(asked).await,
        "merge-patch" => {
            let (base, patch) = (asked["base"].clone(), asked["patch"].clone());
            Ok(merge_patch(base, patch).await?.to_string())
        }
        other => Err(format!("nobody answers {other}").into()),
    }
}

/// As a program of the crate starts: its files, the environment, then the flags of its command line.
async fn load(asked: &Value) -> Result<String, Failure> {
    let folder = PathBuf::from(text(asked, "folder")?);
    let home = asked["home"].as_str().map(PathBuf::from);
    let environment = |name: &str| asked["environment"][name].as_str().map(str::to_string);
    let mut config = Config::load_from_with_env(&folder, home.as_deref(), environment).await?;
    let flags = &asked["flags"];
    let milliseconds = flags["max_duration_milliseconds"].as_u64();
    let calls = flags["max_tool_calls"].as_u64().map(usize::try_from);
    config.apply_cli_overrides(CliOverrides {
        model: flags["model"].as_str().map(str::to_string),
        max_tokens: flags["max_tokens"].as_u64(),
        max_duration: milliseconds.map(Duration::from_millis),
        max_tool_calls: calls.transpose()?,
        override_config: flags.get("overrides").cloned().map(ConfigDelta),
    });
    let hooks: HooksConfig = Config::load_layered_hooks_from(&folder, home.as_deref()).await?;
    let told = checked(&config)?;
    let all = told.strip_suffix('}').ok_or("an answer is an object")?;
    Ok(format!(
        "{all},\"hooks\":{}}}",
        serde_json::to_string(&hooks)?
    ))
}

fn text<'a>(asked: &'a Value, name: &str) -> Result<&'a str, Failure> {
    Ok(asked[name].as_str().ok_or(format!("{name} is missing"))?)
}

fn checked(config: &Config) -> Result<String, Failure> {
    let refused = Value::from(config.validate().err().map(|error| error.to_string()));
    Ok(format!(
        "{{\"config\":{},\"refused\":{refused}}}",
        serde_json::to_string(config)?
    ))
}

fn written(config: &Config, path: &Path) -> Result<String, Failure> {
    let text = Value::from(std::fs::read_to_string(path)?);
    Ok(format!(
        "{{\"config\":{},\"text\":{text}}}",
        serde_json::to_string(config)?
    ))
}
