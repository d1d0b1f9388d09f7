//! The reference element `[-1, 1]`: Legendre polynomials, Gauss and Gauss-Lobatto rules, and the
//! nodal basis on the Lobatto points.

/// `P_0(s) .. P_degree(s)`, by the three-term recurrence.
pub(super) fn legendre(degree: usize, s: f64) -> Vec<f64> {
    let mut p = vec![1.0; degree + 1];
    if degree > 0 {
        p[1] = s;
    }
    for l in 1..degree {
        let n = l as f64;
        p[l + 1] = ((2.0 * n + 1.0) * s * p[l] - n * p[l - 1]) / (n + 1.0);
    }
    p
}

/// The value at `s` of a Legendre series.
pub(super) fn series(coefficients: &[f64], s: f64) -> f64 {
    let (mut before, mut now) = (0.0, 1.0);
    let mut sum = 0.0;
    for (l, c) in coefficients.iter().enumerate() {
        sum += c * now;
        let n = l as f64;
        let next = ((2.0 * n + 1.0) * s * now - n * before) / (n + 1.0);
        (before, now) = (now, next);
    }
    sum
}

/// The Legendre coefficients of the derivative of a Legendre series (one fewer).
pub(super) fn series_derivative(coefficients: &[f64]) -> Vec<f64> {
    let degree = coefficients.len() - 1;
    let mut d = vec![0.0; degree.max(1)];
    let mut sums = [0.0, 0.0];
    for l in (0..degree).rev() {
        // P_n' = sum over l = n-1, n-3, ... of (2l+1) P_l.
        sums[(l + 1) % 2] += coefficients[l + 1];
        d[l] = (2 * l + 1) as f64 * sums[(l + 1) % 2];
    }
    d
}

/// Points and weights of a quadrature rule on `[-1, 1]`.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) points: Vec<f64>,
    pub(super) weights: Vec<f64>,
}

impl Rule {
    /// Gauss-Legendre with `n` interior points, exact up to degree `2n - 1`.
    pub(super) fn gauss(n: usize) -> Self {
        let mut rule = Rule { points: vec![0.0; n], weights: vec![0.0; n] };
        for k in 0..n {
            let mut s = -libm::cos(std::f64::consts::PI * (k as f64 + 0.75) / (n as f64 + 0.5));
            let mut slope = 1.0;
            for _ in 0..6 {
                let p = legendre(n, s);
                slope = n as f64 * (s * p[n] - p[n - 1]) / (s * s - 1.0);
                s -= p[n] / slope;
            }
            rule.points[k] = s;
            rule.weights[k] = 2.0 / ((1.0 - s * s) * slope * slope);
        }
        rule.symmetric()
    }

    /// Gauss-Lobatto with `n >= 2` points, the ends among them.
    pub(super) fn lobatto(n: usize) -> Self {
        let m = n - 1;
        let mut rule = Rule { points: vec![0.0; n], weights: vec![0.0; n] };
        for k in 0..n {
            let mut s = -libm::cos(std::f64::consts::PI * k as f64 / m as f64);
            if k == 0 || k == m {
                s = s.signum();
            } else {
                for _ in 0..12 {
                    // Newton for P_m'(s) = 0 with P_m'' from Legendre's equation.
                    let p = legendre(m, s);
                    let d = m as f64 * (s * p[m] - p[m - 1]) / (s * s - 1.0);
                    let dd = (2.0 * s * d - (m * (m + 1)) as f64 * p[m]) / (1.0 - s * s);
                    s -= d / dd;
                }
            }
            rule.points[k] = s;
            let p = legendre(m, s)[m];
            rule.weights[k] = 2.0 / ((m * n) as f64 * p * p);
        }
        rule.symmetric()
    }

    /// Removes the rounding that breaks the mirror symmetry.
    fn symmetric(mut self) -> Self {
        let n = self.points.len();
        for k in 0..n / 2 {
            let s = 0.5 * (self.points[n - 1 - k] - self.points[k]);
            self.points[k] = -s;
            self.points[n - 1 - k] = s;
            self.weights[n - 1 - k] = self.weights[k];
        }
        if n % 2 == 1 {
            self.points[n / 2] = 0.0;
        }
        self
    }

    /// The rule on `[a, b]`: pairs of point and weight.
    pub(super) fn on(&self, a: f64, b: f64) -> impl Iterator<Item = (f64, f64)> + '_ {
        let (middle, half) = (0.5 * (a + b), 0.5 * (b - a));
        let pairs = self.points.iter().zip(&self.weights);
        pairs.map(move |(s, w)| (middle + half * s, half * w))
    }
}

/// The nodal basis of one polynomial degree and the tables of it that assembly needs.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) degree: usize,
    /// Positions of the nodes, both ends among them.
    pub(super) nodes: Vec<f64>,
    /// Gauss rule for every integral over an element: its points are interior, so coefficients that
    /// jump at an element boundary are never evaluated at the jump.
    pub(super) rule: Rule,
    /// `basis[q][a]`: nodal function `a` at Gauss point `q`.
    pub(super) basis: Vec<Vec<f64>>,
    /// `slope[q][a]`: its derivative.
    pub(super) slope: Vec<Vec<f64>>,
    /// `transform[l][a]`: from nodal values to Legendre coefficients.
    pub(super) transform: Vec<Vec<f64>>,
    /// `projection[l][q]`: from values at the Gauss points to Legendre coefficients.
    pub(super) projection: Vec<Vec<f64>>,
}

impl Reference {
    pub(super) fn new(degree: usize) -> Self {
        Self::with_points(degree, degree + 3)
    }

    /// The same with a Gauss rule of any number of points.
    pub(super) fn with_points(degree: usize, points: usize) -> Self {
        let nodes = Rule::lobatto(degree + 1);
        let rule = Rule::gauss(points);
        let node_values: Vec<_> = nodes.points.iter().map(|&s| legendre(degree, s)).collect();
        // Discrete orthogonality on the Lobatto points.
        let transform: Vec<Vec<f64>> = (0..=degree)
            .map(|l| {
                let norm = if l < degree { 2.0 / (2 * l + 1) as f64 } else { 2.0 / degree as f64 };
                (0..=degree).map(|a| nodes.weights[a] * node_values[a][l] / norm).collect()
            })
            .collect();
        let column = |a: usize| -> Vec<f64> { transform.iter().map(|row| row[a]).collect() };
        let columns: Vec<_> = (0..=degree).map(column).collect();
        let derivatives: Vec<_> = columns.iter().map(|c| series_derivative(c)).collect();
        let table = |of: &[Vec<f64>]| -> Vec<Vec<f64>> {
            rule.points.iter().map(|&s| of.iter().map(|c| series(c, s)).collect()).collect()
        };
        let (basis, slope) = (table(&columns), table(&derivatives));
        let at_points: Vec<_> = rule.points.iter().map(|&s| legendre(rule.points.len() - 1, s)).collect();
        let projection = (0..rule.points.len())
            .map(|l| {
                let norm = (2 * l + 1) as f64 / 2.0;
                let pairs = rule.weights.iter().zip(&at_points);
                pairs.map(|(w, p)| norm * w * p[l]).collect()
            })
            .collect();
        Reference { degree, nodes: nodes.points, rule, basis, slope, transform, projection }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_exact_to_their_degree() {
        for n in 2..20 {
            for (rule, degree) in [(Rule::gauss(n), 2 * n - 1), (Rule::lobatto(n), 2 * n - 3)] {
                for power in 0..=degree {
                    let pairs = rule.on(-1.0, 1.0);
                    let sum: f64 = pairs.map(|(x, w)| w * x.powi(power as i32)).sum();
                    let exact = if power % 2 == 0 { 2.0 / (power + 1) as f64 } else { 0.0 };
                    assert!((sum - exact).abs() < 2e-14, "n = {n}, power = {power}: {sum}");
                }
            }
        }
    }

    #[test]
    fn series_operations_agree_with_the_cubic() {
        // s^3 = (3 P_1 + 2 P_3)/5
        let cubic = [0.0, 0.6, 0.0, 0.4];
        let slope = series_derivative(&cubic);
        for s in [-1.0, -0.3, 0.0, 0.7, 1.0] {
            assert!((series(&cubic, s) - s * s * s).abs() < 1e-15);
            assert!((series(&slope, s) - 3.0 * s * s).abs() < 1e-15);
        }
    }

    #[test]
    fn nodal_basis_interpolates_polynomials_of_its_degree() {
        let r = Reference::new(9);
        let nodes = Rule::lobatto(10);
        let values: Vec<f64> = nodes.points.iter().map(|s| s.powi(9) - s.powi(4)).collect();
        for (q, s) in r.rule.points.iter().enumerate() {
            let dot = |t: &[f64]| -> f64 { t.iter().zip(&values).map(|(a, b)| a * b).sum() };
            assert!((dot(&r.basis[q]) - (s.powi(9) - s.powi(4))).abs() < 1e-14);
            assert!((dot(&r.slope[q]) - (9.0 * s.powi(8) - 4.0 * s.powi(3))).abs() < 1e-12);
        }
    }
}
