#![forbid(unsafe_code)]
//! Stochastic particle engine for thermophoresis.

pub mod comparison;
pub mod ensemble;
pub mod error;
pub mod estimator;
pub mod event;
pub mod experiment;
pub mod expression;
pub mod grid;
pub mod kernel;
pub mod model;
pub mod observable;
pub mod report;
pub mod rng;
pub mod simulation;
pub mod stats;
pub mod theory;
