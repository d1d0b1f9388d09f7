//! Dual numbers: a value together with its derivative in one direction.

use super::interval::power;
use super::program::{Binary, Number, Unary};

/// `value + derivative * epsilon` with `epsilon^2 = 0`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dual {
    pub(super) value: f64,
    pub(super) derivative: f64,
}

impl Dual {
    /// Chain rule. A factor of zero stays zero where the outer slope is infinite: a part that does not
    /// depend on the variable must not spoil the derivative of the rest.
    fn chain(self, value: f64, slope: f64) -> Dual {
        Dual { value, derivative: product(slope, self.derivative) }
    }
}

fn product(slope: f64, inner: f64) -> f64 {
    if inner == 0.0 { 0.0 } else { slope * inner }
}

impl Number for Dual {
    fn constant(value: f64) -> Self {
        Dual { value, derivative: 0.0 }
    }

    fn unary(self, function: Unary) -> Self {
        let x = self.value;
        let value = x.unary(function);
        let slope = match function {
            Unary::Negate => -1.0,
            Unary::Abs => {
                if x < 0.0 {
                    -1.0
                } else {
                    1.0
                }
            }
            Unary::Step => 0.0,
            Unary::Sqrt => 0.5 / value,
            Unary::Exp => value,
            Unary::Ln => 1.0 / x,
            Unary::Log10 => 1.0 / (x * std::f64::consts::LN_10),
            Unary::Sin => libm::cos(x),
            Unary::Cos => -libm::sin(x),
            Unary::Tan => 1.0 + value * value,
            Unary::Sinh => libm::cosh(x),
            Unary::Cosh => libm::sinh(x),
            // Not 1 - tanh^2, which loses all digits in the tails.
            Unary::Tanh => {
                let c = libm::cosh(x);
                1.0 / (c * c)
            }
            Unary::Atan => 1.0 / (1.0 + x * x),
            Unary::Erf => std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-(x * x)),
            Unary::Power(0) => 0.0,
            Unary::Power(n) => f64::from(n) * power(x, n.saturating_sub(1)),
        };
        self.chain(value, slope)
    }

    fn binary(self, function: Binary, other: Self) -> Self {
        let (a, b) = (self, other);
        let value = a.value.binary(function, b.value);
        let derivative = match function {
            Binary::Add => a.derivative + b.derivative,
            Binary::Subtract => a.derivative - b.derivative,
            Binary::Multiply => product(a.value, b.derivative) + product(b.value, a.derivative),
            Binary::Divide => (a.derivative - product(value, b.derivative)) / b.value,
            Binary::Power => {
                // 0^b is 0 for every b > 0, although the logarithm is infinite there.
                let by_exponent = if value == 0.0 { 0.0 } else { value * libm::log(a.value) };
                product(b.value * libm::pow(a.value, b.value - 1.0), a.derivative)
                    + product(by_exponent, b.derivative)
            }
            Binary::Min if a.value <= b.value => a.derivative,
            Binary::Max if a.value >= b.value => a.derivative,
            Binary::Min | Binary::Max => b.derivative,
        };
        Dual { value, derivative }
    }
}
