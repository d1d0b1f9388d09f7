//! Where concentrations settle if everything is mixed, and how long that takes: for starts, burn-ins and steps,
//! **not** for comparisons.

use crate::model::{Mixture, Way};

/// Places at which reactions are looked at.
const PLACES: u32 = 5;

/// Most implicit steps towards rest.
const MOST_STEPS: u32 = 200;

/// Largest concentration of every species where a well-mixed system comes to rest, over a few places of the
/// domain, from these concentrations.
pub fn settled(mixture: &Mixture, concentrations: &[f64]) -> Vec<f64> {
    let mut largest = vec![0.0f64; concentrations.len()];
    for x in places(mixture) {
        let rest = rest(mixture, concentrations, x);
        largest.iter_mut().zip(rest).for_each(|(m, c)| *m = m.max(c));
    }
    largest
}

/// How long a mixture of about these concentrations remembers its beginning, roughly: the slowest diffusive mode,
/// `L^2/(pi^2 D_min)` with the harmonic mean of the slowest diffusivity, and for every reaction the time
/// `1/(-sum_s nu_s d(v_+ - v_-)/dc_s)` in which it comes to rest alone, at the place where the sum is largest.
pub fn relaxation_time(mixture: &Mixture, concentrations: &[f64]) -> f64 {
    let (length, species) = (mixture.domain.length, mixture.species().len());
    let all: Vec<f64> = places(mixture).collect();
    let slowness =
        |s: usize| all.iter().map(|x| 1.0 / mixture.diffusivity(s, *x)).sum::<f64>() / all.len() as f64;
    let slowest = (0..species).map(slowness).fold(0.0, f64::max);
    let pi = std::f64::consts::PI;
    let mut longest = 0.0f64;
    for x in all {
        let rest = rest(mixture, concentrations, x);
        let alone = |r: usize| {
            let change = mixture.reactions()[r].change(species);
            let slope = net_slope(mixture, r, x, &rest);
            -change.iter().zip(slope).map(|(d, s)| *d as f64 * s).sum::<f64>()
        };
        let times =
            (0..mixture.reactions().len()).map(alone).filter(|rate| *rate > 0.0).map(|rate| 1.0 / rate);
        longest = longest.max(times.sum());
    }
    length * length * slowest / (pi * pi) + longest
}

fn places(mixture: &Mixture) -> impl Iterator<Item = f64> {
    let length = mixture.domain.length;
    (0..PLACES).map(move |k| length * (f64::from(k) + 0.5) / f64::from(PLACES))
}

/// `v_+ - v_-` of a reaction by the law of mass action.
fn net(mixture: &Mixture, reaction: usize, x: f64, c: &[f64]) -> f64 {
    let way = |forward: bool| {
        let taken = mixture.reactions()[reaction].taken(forward).iter();
        let constant = mixture.rate_constant(Way { reaction, forward }, x);
        taken.fold(constant, |v, (s, n)| v * c[*s].powi(*n as i32))
    };
    way(true) - way(false)
}

/// Its derivatives.
fn net_slope(mixture: &Mixture, reaction: usize, x: f64, c: &[f64]) -> Vec<f64> {
    let mut slope = vec![0.0; c.len()];
    for (forward, sign) in [(true, 1.0), (false, -1.0)] {
        let taken = mixture.reactions()[reaction].taken(forward);
        let constant = mixture.rate_constant(Way { reaction, forward }, x);
        for (s, n) in taken {
            let rest = taken
                .iter()
                .fold(constant * f64::from(*n), |v, (t, m)| v * c[*t].powi(*m as i32 - i32::from(t == s)));
            slope[*s] += sign * rest;
        }
    }
    slope
}

/// Implicit Euler steps that grow, from `c` to rest.
fn rest(mixture: &Mixture, c: &[f64], x: f64) -> Vec<f64> {
    let species = c.len();
    let reactions = 0..mixture.reactions().len();
    let changes: Vec<Vec<i64>> = mixture.reactions().iter().map(|r| r.change(species)).collect();
    let mut c = c.to_vec();
    let most = c.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut dt = 0.0;
    for _ in 0..MOST_STEPS {
        let mut gain = vec![0.0; species];
        let mut matrix = vec![vec![0.0; species]; species];
        let mut fastest = 0.0f64;
        for r in reactions.clone() {
            let (v, slope) = (net(mixture, r, x, &c), net_slope(mixture, r, x, &c));
            for s in 0..species {
                let d = changes[r][s] as f64;
                gain[s] += d * v;
                (0..species).for_each(|t| matrix[s][t] -= d * slope[t]);
                fastest = fastest.max((d * slope[s]).abs()).max((d * v).abs() / most);
            }
        }
        if fastest == 0.0 || !fastest.is_finite() {
            return c;
        }
        dt = if dt == 0.0 { 0.1 / fastest } else { dt };
        for s in 0..species {
            matrix[s].iter_mut().for_each(|m| *m *= dt);
            matrix[s][s] += 1.0;
            gain[s] *= dt;
        }
        let Some(step) = solve(matrix, gain) else { return c };
        let moved: Vec<f64> = c.iter().zip(&step).map(|(c, d)| c + d).collect();
        if moved.iter().any(|c| !c.is_finite() || *c < -1e-9 * most) {
            dt *= 0.25;
            continue;
        }
        let size = step.iter().fold(0.0f64, |m, d| m.max(d.abs())) / most;
        c = moved.into_iter().map(|c| c.max(0.0)).collect();
        if size < 1e-12 {
            break;
        }
        dt *= if size < 0.1 { 2.0 } else { 1.0 };
    }
    c
}

/// Gaussian elimination with pivots.
fn solve(mut matrix: Vec<Vec<f64>>, mut rhs: Vec<f64>) -> Option<Vec<f64>> {
    let n = rhs.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| matrix[*a][k].abs().total_cmp(&matrix[*b][k].abs()))?;
        matrix.swap(k, pivot);
        rhs.swap(k, pivot);
        if matrix[k][k] == 0.0 || !matrix[k][k].is_finite() {
            return None;
        }
        for i in k + 1..n {
            let factor = matrix[i][k] / matrix[k][k];
            let (upper, lower) = matrix.split_at_mut(i);
            (k..n).for_each(|j| lower[0][j] -= factor * upper[k][j]);
            rhs[i] -= factor * rhs[k];
        }
    }
    for k in (0..n).rev() {
        let rest: f64 = (k + 1..n).map(|j| matrix[k][j] * rhs[j]).sum();
        rhs[k] = (rhs[k] - rest) / matrix[k][k];
    }
    Some(rhs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Equation, Field, Kinetics, Reaction, Species, Uniform};
    use std::sync::Arc;

    fn mixture(equations: &[(&str, f64, f64)], names: &[&str]) -> Mixture {
        let species: Vec<Species> = names.iter().map(|n| Species::new(*n, 0.0, 0.5, 1)).collect();
        let field = |k: f64| Some(Arc::new(Uniform(k)) as Arc<dyn Field>);
        let read = |(equation, f, b): &(&str, f64, f64)| {
            let kinetics = Kinetics::Given { forward: field(*f), backward: field(*b) };
            Reaction::from_equation(&Equation::parse(equation).unwrap(), &species, kinetics).unwrap()
        };
        let reactions = equations.iter().map(read).collect();
        Mixture::new(2.0, Uniform(1.0), species, reactions).unwrap()
    }

    #[test]
    fn dimers_settle() {
        // K_d = 0.5, c_tot = 3: c_1 = 2 c_tot/(1 + s), s = sqrt(1 + 8 c_tot/K_d) = 7.
        let m = mixture(&[("2 M <-> D", 4.0, 2.0)], &["M", "D"]);
        for start in [[3.0, 0.0], [0.0, 1.5], [1.0, 1.0]] {
            let found = settled(&m, &start);
            assert!((found[0] - 0.75).abs() < 1e-9 && (found[1] - 1.125).abs() < 1e-9, "{found:?}");
            // L^2/(pi^2 D) and 1/(4 k_+ c_1 + k_-).
            let expected = 4.0 / (std::f64::consts::PI.powi(2) * 0.5) + 1.0 / (4.0 * 4.0 * 0.75 + 2.0);
            assert!((relaxation_time(&m, &start) - expected).abs() < 1e-9);
        }
    }

    #[test]
    fn what_cannot_react_stays() {
        let m = mixture(&[("2 M <-> D", 0.0, 0.0)], &["M", "D"]);
        assert_eq!(settled(&m, &[1.0, 2.0]), [1.0, 2.0]);
        let m = mixture(&[("A + B -> C", 1.0, 0.0)], &["A", "B", "C"]);
        let found = settled(&m, &[1.0, 0.25, 0.0]);
        assert!((found[0] - 0.75).abs() < 1e-3 && (found[2] - 0.25).abs() < 1e-3, "{found:?}");
        assert!(relaxation_time(&m, &[1.0, 0.0, 0.0]).is_finite());
    }
}
