//! What a reader should know although nothing is wrong, as plain data.

use crate::kernel::Caution;
use serde::{Deserialize, Serialize};

/// Something a reader should know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// What was seen.
    pub seen: String,
    /// What it may mean.
    pub meaning: String,
    /// What to do about it.
    pub remedy: String,
}

impl From<Caution> for Warning {
    fn from(caution: Caution) -> Self {
        let Caution { seen, meaning, remedy } = caution;
        Warning { seen, meaning, remedy }
    }
}
