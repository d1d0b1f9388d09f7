#![forbid(unsafe_code)]
//! Stochastic particle engine for thermophoresis.
pub mod expression;
pub mod grid;
pub mod model;
pub mod observable;
pub mod report;
pub mod stats;
