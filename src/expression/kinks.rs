//! Positions at which `abs`, `min`, `max` and `step` change over.

use super::bounds::{enclose, enclose_slope};
use super::interval::Interval;
use super::program::{Binary, Instruction, Program, Unary};
use std::collections::VecDeque;

/// Boxes looked at for each switch before the rest is searched by signs alone.
const MOST_BOXES: usize = 2000;

/// Distance from a position, relative to the range, at which a change of sign must show.
const PROBE: f64 = 1e-9;

/// Sorted positions inside the range. Switches whose argument reads other variables have no fixed
/// position and are left out.
pub(super) fn kinks(program: &Program, wrt: usize, range: Interval) -> Vec<f64> {
    if !range.is_finite() {
        return Vec::new();
    }
    let mut found: Vec<f64> = switches(program)
        .iter()
        .filter(|switch| switch.reads_only(wrt))
        .flat_map(|switch| crossings(switch, wrt, range))
        .filter(|&x| range.lo < x && x < range.hi)
        .collect();
    found.sort_by(f64::total_cmp);
    // The same position may come from two boxes or from two switches, a rounding error apart.
    found.dedup_by(|later, earlier| *later - *earlier <= PROBE * range.width());
    found
}

/// For each switch the program whose sign decides it.
fn switches(program: &Program) -> Vec<Program> {
    let code = program.instructions();
    code.iter()
        .enumerate()
        .filter_map(|(at, instruction)| {
            let decider = match *instruction {
                Instruction::Unary(Unary::Abs | Unary::Step, a) => Instruction::Load(a),
                Instruction::Binary(Binary::Min | Binary::Max, a, b) => {
                    Instruction::Binary(Binary::Subtract, a, b)
                }
                _ => return None,
            };
            let mut part = code[program.start_of_arguments(at)..at].to_vec();
            part.push(decider);
            Program::new(part)
        })
        .collect()
}

/// Where a function of one variable changes sign: boxes that cannot be excluded are halved until the
/// function is monotone in them.
fn crossings(function: &Program, wrt: usize, range: Interval) -> Vec<f64> {
    let value = |x: f64| function.run(|_| x);
    let mut found = Vec::new();
    // First in, first out: if the budget runs out, the search has been equally fine everywhere.
    let mut queue = VecDeque::from([range]);
    let mut boxes = 0;
    while let Some(x) = queue.pop_front() {
        boxes += 1;
        // The other variables are not read.
        let variables = vec![x; wrt + 1];
        if !enclose(function, &variables).contains(0.0) {
            continue;
        }
        let slope = enclose_slope(function, &variables, wrt);
        let monotone = slope.lo > 0.0 || slope.hi < 0.0;
        let middle = x.midpoint();
        let divisible = x.lo < middle && middle < x.hi;
        if divisible && !monotone && boxes <= MOST_BOXES {
            queue.extend([Interval::new(x.lo, middle), Interval::new(middle, x.hi)]);
        } else {
            found.extend(bisect(value, x));
        }
    }
    let probe = PROBE * range.width();
    found.retain(|&x| changes_sign(value((x - probe).max(range.lo)), value((x + probe).min(range.hi))));
    found
}

/// The position of a change of sign between the ends, if there is one; an end that is itself a zero
/// counts.
fn bisect(value: impl Fn(f64) -> f64, range: Interval) -> Option<f64> {
    let Interval { mut lo, mut hi } = range;
    let (at_lo, at_hi) = (value(lo), value(hi));
    if at_lo == 0.0 {
        return Some(lo);
    }
    if at_hi == 0.0 {
        return Some(hi);
    }
    if !changes_sign(at_lo, at_hi) {
        return None;
    }
    loop {
        let middle = Interval { lo, hi }.midpoint();
        let at_middle = value(middle);
        if at_middle == 0.0 || middle <= lo || middle >= hi {
            return Some(middle);
        }
        if changes_sign(at_lo, at_middle) { hi = middle } else { lo = middle }
    }
}

fn changes_sign(a: f64, b: f64) -> bool {
    (a < 0.0 && b > 0.0) || (a > 0.0 && b < 0.0)
}
