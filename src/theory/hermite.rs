//! Hermite functions of a scaled velocity: `psi_n(u) = He_n(u)/sqrt(n!)`, orthonormal with the weight
//! `phi(u) = exp(-u^2/2)/sqrt(2 pi)`.

use std::f64::consts::PI;

/// `psi_0(u) phi(u) .. psi_{modes-1}(u) phi(u)`, by the three-term recurrence.
pub(super) fn functions(modes: usize, u: f64) -> Vec<f64> {
    // Beyond, all of them are zero in double precision.
    let u = u.clamp(-1e3, 1e3);
    let mut f = vec![0.0; modes.max(2)];
    f[0] = libm::exp(-0.5 * u * u) / libm::sqrt(2.0 * PI);
    f[1] = u * f[0];
    for n in 1..modes.max(2) - 1 {
        let m = n as f64;
        f[n + 1] = (u * f[n] - libm::sqrt(m) * f[n - 1]) / libm::sqrt(m + 1.0);
    }
    f.truncate(modes);
    f
}

/// `int_{-u}^{u} s psi_n(s) phi(s) ds` for all `n < modes`; zero for even n. From
/// `s He_n = He_{n+1} + n He_{n-1}` and `(He_n phi)' = -He_{n+1} phi`.
pub(super) fn slow(modes: usize, u: f64) -> Vec<f64> {
    let u = u.clamp(-1e3, 1e3);
    let f = functions(modes, u);
    let of_mode = |n: usize| match n {
        _ if n.is_multiple_of(2) => 0.0,
        1 => libm::erf(u / libm::sqrt(2.0)) - 2.0 * f[1],
        _ => {
            let m = n as f64;
            -2.0 * (f[n] + libm::sqrt(m / (m - 1.0)) * f[n - 2])
        }
    };
    (0..modes).map(of_mode).collect()
}

/// `int_{-inf}^{u} psi_n(s) phi(s) ds` for all `n < modes`, from `(He_n phi)' = -He_{n+1} phi`.
pub(super) fn cumulative(modes: usize, u: f64) -> Vec<f64> {
    let f = functions(modes, u);
    let of_mode = |n: usize| match n {
        0 => 0.5 * libm::erfc(-u / libm::sqrt(2.0)),
        _ => -f[n - 1] / libm::sqrt(n as f64),
    };
    (0..modes).map(of_mode).collect()
}

#[cfg(test)]
mod tests {
    use super::super::element::Rule;
    use super::*;

    #[test]
    fn functions_are_orthonormal_and_their_slow_parts_are_integrals() {
        let rule = Rule::gauss(300);
        let modes = 40;
        let points: Vec<(f64, f64)> = rule.on(-20.0, 20.0).collect();
        for (n, m) in [(0, 0), (3, 3), (39, 39), (2, 4), (1, 39), (5, 8)] {
            let product = |(u, w): &(f64, f64)| {
                let f = functions(modes, *u);
                w * f[n] * f[m] * libm::exp(0.5 * u * u) * libm::sqrt(2.0 * PI)
            };
            let sum: f64 = points.iter().map(product).sum();
            assert!((sum - if n == m { 1.0 } else { 0.0 }).abs() < 1e-11, "{n} {m}: {sum}");
        }
        for u in [0.0, 0.3, 1.7, 6.0] {
            let found = slow(modes, u);
            for (n, found) in found.iter().enumerate() {
                let sum: f64 = rule.on(-u, u).map(|(s, w)| w * s * functions(modes, s)[n]).sum();
                assert!((found - sum).abs() < 1e-12, "{n} at {u}: {found}, not {sum}");
            }
            for (n, found) in cumulative(modes, u).iter().enumerate() {
                let sum: f64 = rule.on(-20.0, u).map(|(s, w)| w * functions(modes, s)[n]).sum();
                assert!((found - sum).abs() < 1e-12, "{n} up to {u}: {found}, not {sum}");
            }
        }
    }
}
