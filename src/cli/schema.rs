//! `mc schema`: the JSON Schema of experiment files.

use super::{Failure, Status, Terminal};
use soret::report::json;

/// Prints the schema.
pub fn schema(out: &Terminal) -> Result<Status, Failure> {
    out.print(&json::pretty(&soret::experiment::json_schema())?)?;
    Ok(Status::Done)
}
