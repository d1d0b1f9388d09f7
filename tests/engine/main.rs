//! Kernels, tallies, estimators and verification, run from the library.

#[path = "../common/mod.rs"]
mod common;

mod array_rqmc;
mod assisted;
mod assisted_more;
mod assisted_onward;
mod baoab_lanes;
mod baoab_lanes_own;
mod baoab_lanes_states;
mod conformance;
mod coordinate_lanes;
mod coordinates;
mod coordinates_precision;
mod coordinates_run;
mod coordinates_systems;
mod coordinates_times;
mod coverage;
mod determinism;
mod euler_maruyama;
mod forces;
mod identities;
mod lane_models;
mod lanes;
mod lanes_clocks;
mod lanes_steps;
mod mean_field_lanes;
mod mean_field_run;
mod negative_controls;
mod opening;
mod phase_space;
mod reactions;
mod reactions_mean_field;
mod reactions_run;
mod resolvent;
mod ring_lanes;
mod scale_lanes;
mod timed_lanes;
mod underdamped;
mod underdamped_chain;
mod until;
mod verify;
mod verify_underdamped;
mod well_mixed_run;
