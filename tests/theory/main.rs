//! Deterministic solutions against values and identities that they share no code with; the language and the laws that they need.

#[path = "../common/mod.rs"]
mod common;

mod coordinates_theory;
mod distributions;
mod expression;
mod kramers;
mod p_values;
mod reactions_theory;
mod stationary;
mod theory_forces;
mod theory_relaxation;
