//! What reactions leave unchanged, in integers.

/// A basis of the combinations `sum_k m_k c_k` that no reaction changes: the left null space of the
/// stoichiometric matrix, whose columns are `changes` (one per reaction, an entry per species). Integers
/// without a common divisor; where the space has a basis of non-negative ones, these, the simplest first.
///
/// Non-negative laws are found by Farkas' elimination: unit vectors are combined so that one reaction after
/// the other leaves them unchanged, and of two laws that hold the same species the simpler one stays.
pub(super) fn laws(species: usize, changes: &[Vec<i64>]) -> Vec<Vec<i64>> {
    let unit = |k: usize| (0..species).map(|j| i64::from(j == k)).collect::<Vec<i64>>();
    let mut rays: Vec<Vec<i64>> = (0..species).map(unit).collect();
    for change in changes {
        let gain = |law: &[i64]| -> i64 { law.iter().zip(change).map(|(m, d)| m * d).sum() };
        let (mut kept, rest): (Vec<_>, Vec<_>) = rays.into_iter().partition(|law| gain(law) == 0);
        let (up, down): (Vec<_>, Vec<_>) = rest.into_iter().partition(|law| gain(law) > 0);
        for (a, b) in up.iter().flat_map(|a| down.iter().map(move |b| (a, b))) {
            let (p, q) = (gain(a), -gain(b));
            kept.push(coprime(a.iter().zip(b).map(|(a, b)| q * a + p * b).collect()));
        }
        rays = minimal(kept);
    }
    rays.sort_by_key(|law| (law.iter().sum::<i64>(), law.iter().filter(|m| **m != 0).count()));
    let mut basis: Vec<Vec<i64>> = Vec::new();
    for law in rays.into_iter().chain(null_space(species, changes)) {
        let mut longer = basis.clone();
        longer.push(law);
        if rank(&longer) == longer.len() {
            basis = longer;
        }
    }
    basis
}

/// Vectors whose species do not contain those of another.
fn minimal(rays: Vec<Vec<i64>>) -> Vec<Vec<i64>> {
    let holds = |a: &[i64], b: &[i64]| a.iter().zip(b).all(|(a, b)| *b == 0 || *a != 0);
    let mut kept: Vec<Vec<i64>> = Vec::new();
    for (i, ray) in rays.iter().enumerate() {
        let beaten =
            |(j, other): (usize, &Vec<i64>)| j != i && holds(ray, other) && (!holds(other, ray) || j < i);
        if !rays.iter().enumerate().any(beaten) {
            kept.push(ray.clone());
        }
    }
    kept
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

fn coprime(mut vector: Vec<i64>) -> Vec<i64> {
    let divisor = vector.iter().fold(0, |d, v| gcd(d, *v));
    if divisor > 1 {
        vector.iter_mut().for_each(|v| *v /= divisor);
    }
    vector
}

/// Rows in echelon form, every pivot the only entry of its column: elimination without fractions.
fn echelon(rows: &[Vec<i64>]) -> (Vec<Vec<i64>>, Vec<usize>) {
    let mut rows = rows.to_vec();
    let mut pivots = Vec::new();
    for column in 0..rows.first().map_or(0, Vec::len) {
        let done = pivots.len();
        let Some(found) = (done..rows.len()).find(|i| rows[*i][column] != 0) else { continue };
        rows.swap(done, found);
        let pivot = rows[done].clone();
        for (i, row) in rows.iter_mut().enumerate() {
            if i != done && row[column] != 0 {
                let (p, q) = (pivot[column], row[column]);
                *row = coprime(row.iter().zip(&pivot).map(|(a, b)| p * a - q * b).collect());
            }
        }
        pivots.push(column);
    }
    rows.truncate(pivots.len());
    (rows, pivots)
}

/// Number of independent rows.
pub(super) fn rank(rows: &[Vec<i64>]) -> usize {
    echelon(rows).1.len()
}

/// A basis of the vectors that are orthogonal to all rows, of any signs.
fn null_space(columns: usize, rows: &[Vec<i64>]) -> Vec<Vec<i64>> {
    let (rows, pivots) = echelon(rows);
    let free = (0..columns).filter(|c| !pivots.contains(c));
    free.map(|c| {
        let scale = rows.iter().zip(&pivots).fold(1, |s, (row, p)| s / gcd(s, row[*p]) * row[*p].abs());
        let mut vector = vec![0; columns];
        vector[c] = scale;
        for (row, p) in rows.iter().zip(&pivots) {
            vector[*p] = -scale / row[*p] * row[c];
        }
        coprime(vector)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_of_known_networks() {
        // 2 M <-> D
        assert_eq!(laws(2, &[vec![-2, 1]]), [[1, 2]]);
        // E + S <-> ES <-> E + P
        let catalysis = [vec![-1, -1, 1, 0], vec![1, 0, -1, 1]];
        assert_eq!(laws(4, &catalysis), [[1, 0, 1, 0], [0, 1, 1, 1]]);
        // 0 -> A -> 0
        assert!(laws(1, &[vec![1], vec![-1]]).is_empty());
        // A chain of oligomers M + O_n <-> O_(n+1).
        assert_eq!(laws(4, &[vec![-2, 1, 0, 0], vec![-1, -1, 1, 0], vec![-1, 0, -1, 1]]), [[1, 2, 3, 4]]);
        // A species that does nothing; a reaction that changes nothing.
        assert_eq!(laws(3, &[vec![-1, 1, 0], vec![0, 0, 0]]), [[0, 0, 1], [1, 1, 0]]);
        // A + B -> 0 conserves a difference only.
        assert_eq!(laws(2, &[vec![-1, -1]]), [[-1, 1]]);
    }

    #[test]
    fn laws_are_orthogonal_to_random_reactions_and_complete() {
        let mut seed = 1u64;
        let mut next = || {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            i64::try_from(seed >> 61).unwrap_or(0) - 3
        };
        for case in 0..300 {
            let (species, reactions) = (1 + case % 6, case % 5);
            let changes: Vec<Vec<i64>> =
                (0..reactions).map(|_| (0..species).map(|_| next().clamp(-2, 2)).collect()).collect();
            let found = laws(species, &changes);
            assert_eq!(found.len() + rank(&changes), species, "{changes:?}");
            for (law, change) in found.iter().flat_map(|l| changes.iter().map(move |c| (l, c))) {
                assert_eq!(law.iter().zip(change).map(|(m, d)| m * d).sum::<i64>(), 0, "{law:?} {change:?}");
            }
        }
    }
}
