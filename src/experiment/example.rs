//! Small experiments to begin with, one for each kind of system.

/// An example: a small experiment file that explains itself in its notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// The file.
    pub text: &'static str,
}

macro_rules! example {
    ($name:literal, $about:literal) => {
        Example { name: $name, about: $about, text: include_str!(concat!("examples/", $name, ".json")) }
    };
}

/// All examples, the simplest first.
pub const EXAMPLES: [Example; 10] = [
    example!("two_state", "two states in a linear gradient"),
    example!("n_states", "three states with entropies"),
    example!("driven_ring", "no detailed balance: affinities and free rates"),
    example!("temperature_table", "a temperature given by points"),
    example!("friction", "frictions that vary, and the stepped method"),
    example!("blowtorch", "a potential, and heat on one slope of it"),
    example!("ring", "a ring, and a state that propels itself"),
    example!("underdamped", "inertia: a mass, a friction and velocities"),
    example!("double_well", "an internal coordinate in a double well"),
    example!("units", "kelvin and kJ/mol"),
];
