//! The compiled form: postfix instructions whose operands are constants, variables or earlier results.
//!
//! `1 + dT*x` becomes two instructions, `dT * x` and `1 + (top)`. The same program runs on plain
//! numbers, dual numbers and intervals: whatever implements [`Number`].

use super::interval::{power, step};

/// Results that may wait on the stack at once.
pub(super) const DEEPEST: usize = 64;

/// Elements that [`Program::run_slice`] takes through all instructions at a time; small enough that the
/// stack of most programs stays in the fastest cache.
const CHUNK: usize = 64;

/// Where an instruction finds an argument.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operand {
    /// The latest result that is not used yet; consumed.
    Top,
    /// A number known at compile time.
    Constant(f64),
    /// An argument of the expression.
    Variable(usize),
}

/// Functions of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Negate,
    Abs,
    Step,
    Sqrt,
    Exp,
    Ln,
    Log10,
    Sin,
    Cos,
    Tan,
    Sinh,
    Cosh,
    Tanh,
    Atan,
    Erf,
    /// A power with a constant integer exponent.
    Power(i32),
}

/// Functions of two arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    Min,
    Max,
}

/// One step; its result goes on top of the stack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Instruction {
    Load(Operand),
    Unary(Unary, Operand),
    Binary(Binary, Operand, Operand),
}

/// What a program can compute with.
pub(super) trait Number: Copy {
    fn constant(value: f64) -> Self;
    fn unary(self, function: Unary) -> Self;
    fn binary(self, function: Binary, other: Self) -> Self;
}

impl Number for f64 {
    #[inline]
    fn constant(value: f64) -> Self {
        value
    }

    #[inline]
    fn unary(self, function: Unary) -> Self {
        let x = self;
        match function {
            Unary::Negate => -x,
            Unary::Abs => x.abs(),
            Unary::Step => step(x),
            Unary::Sqrt => libm::sqrt(x),
            Unary::Exp => libm::exp(x),
            Unary::Ln => libm::log(x),
            Unary::Log10 => libm::log10(x),
            Unary::Sin => libm::sin(x),
            Unary::Cos => libm::cos(x),
            Unary::Tan => libm::tan(x),
            Unary::Sinh => libm::sinh(x),
            Unary::Cosh => libm::cosh(x),
            Unary::Tanh => libm::tanh(x),
            Unary::Atan => libm::atan(x),
            Unary::Erf => libm::erf(x),
            // The commonest powers without the loop; the same products, hence the same bits.
            Unary::Power(2) => x * x,
            Unary::Power(3) => x * (x * x),
            Unary::Power(4) => (x * x) * (x * x),
            Unary::Power(n) => power(x, n),
        }
    }

    #[inline]
    fn binary(self, function: Binary, other: Self) -> Self {
        let (a, b) = (self, other);
        match function {
            Binary::Add => a + b,
            Binary::Subtract => a - b,
            Binary::Multiply => a * b,
            Binary::Divide => a / b,
            Binary::Power => libm::pow(a, b),
            // Unlike f64::min, an undefined argument makes the result undefined.
            Binary::Min if a <= b => a,
            Binary::Max if a >= b => a,
            Binary::Min if b < a => b,
            Binary::Max if b > a => b,
            Binary::Min | Binary::Max => f64::NAN,
        }
    }
}

/// A checked program: every operand `Top` finds a result, one result is left at the end, and at most
/// [`DEEPEST`] wait at any time.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Program {
    instructions: Vec<Instruction>,
    depth: usize,
    repeats: bool,
}

impl Program {
    /// Checks the instructions; None if more than [`DEEPEST`] results would wait at once.
    pub(super) fn new(instructions: Vec<Instruction>) -> Option<Program> {
        let (mut waiting, mut depth) = (0, 0);
        for instruction in &instructions {
            waiting = waiting + 1 - instruction.consumes();
            depth = depth.max(waiting);
        }
        debug_assert_eq!(waiting, 1, "a program leaves one result");
        let mut read: Vec<usize> =
            instructions.iter().flat_map(|i| i.operands()).filter_map(variable).collect();
        let reads = read.len();
        read.sort_unstable();
        read.dedup();
        (depth <= DEEPEST).then_some(Program { instructions, depth, repeats: read.len() < reads })
    }

    /// Whether some variable is read more than once.
    pub(super) fn repeats(&self) -> bool {
        self.repeats
    }

    pub(super) fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// The only number that the program can give, if it reads no variable.
    pub(super) fn constant(&self) -> Option<f64> {
        match self.instructions[..] {
            [Instruction::Load(Operand::Constant(c))] => Some(c),
            _ => None,
        }
    }

    /// Whether a variable is read.
    pub(super) fn reads(&self, variable: usize) -> bool {
        self.instructions.iter().any(|i| i.operands().contains(&Some(Operand::Variable(variable))))
    }

    /// Whether this variable is read and no other.
    pub(super) fn reads_only(&self, wrt: usize) -> bool {
        let mut read = self.instructions.iter().flat_map(|i| i.operands()).filter_map(variable).peekable();
        read.peek().is_some() && read.all(|i| i == wrt)
    }

    /// Where the code of the arguments of instruction `at` begins.
    pub(super) fn start_of_arguments(&self, at: usize) -> usize {
        let mut open = self.instructions[at].consumes();
        let mut start = at;
        while open > 0 {
            start -= 1;
            open = open - 1 + self.instructions[start].consumes();
        }
        start
    }

    /// The value for these variables.
    #[inline]
    pub(super) fn run<N: Number>(&self, variable: impl Fn(usize) -> N) -> N {
        // Clearing a large stack would cost more than a short program.
        if self.depth <= 4 { self.run_on::<N, 4>(variable) } else { self.run_on::<N, DEEPEST>(variable) }
    }

    #[inline]
    fn run_on<N: Number, const DEPTH: usize>(&self, variable: impl Fn(usize) -> N) -> N {
        let mut stack = Stack::<N, DEPTH>::new(N::constant(0.0));
        for instruction in &self.instructions {
            let mut fetch = |operand| match operand {
                Operand::Top => stack.pop(),
                Operand::Constant(c) => N::constant(c),
                Operand::Variable(i) => variable(i),
            };
            let result = match *instruction {
                Instruction::Load(a) => fetch(a),
                Instruction::Unary(f, a) => fetch(a).unary(f),
                Instruction::Binary(f, a, b) => {
                    // The right argument was computed last and lies on top.
                    let b = fetch(b);
                    fetch(a).binary(f, b)
                }
            };
            stack.push(result);
        }
        stack.pop()
    }

    /// The values for columns of variables.
    pub(super) fn run_slice(&self, variables: &[&[f64]], out: &mut [f64]) {
        if self.depth <= 4 {
            self.run_slice_on::<4>(variables, out)
        } else {
            self.run_slice_on::<DEEPEST>(variables, out)
        }
    }

    fn run_slice_on<const DEPTH: usize>(&self, variables: &[&[f64]], out: &mut [f64]) {
        let mut stack = Stack::<[f64; CHUNK], DEPTH>::new([0.0; CHUNK]);
        let mut result = [0.0; CHUNK];
        for (number, out) in out.chunks_mut(CHUNK).enumerate() {
            let (start, n) = (number * CHUNK, out.len());
            for instruction in &self.instructions {
                let mut fetch = |operand| match operand {
                    Operand::Top => stack.pop(),
                    Operand::Constant(c) => [c; CHUNK],
                    Operand::Variable(i) => {
                        let mut column = [0.0; CHUNK];
                        column[..n].copy_from_slice(&variables[i][start..start + n]);
                        column
                    }
                };
                match *instruction {
                    Instruction::Load(a) => result = fetch(a),
                    Instruction::Unary(f, a) => map_unary(f, &fetch(a)[..n], &mut result[..n]),
                    Instruction::Binary(f, a, b) => {
                        let b = fetch(b);
                        map_binary(f, &fetch(a)[..n], &b[..n], &mut result[..n]);
                    }
                }
                stack.push(result);
            }
            out.copy_from_slice(&stack.pop()[..n]);
        }
    }
}

/// Results that wait for their use. A program never pops more than it pushed, nor pushes beyond its
/// depth.
struct Stack<T, const DEPTH: usize> {
    slots: [T; DEPTH],
    height: usize,
}

impl<T: Copy, const DEPTH: usize> Stack<T, DEPTH> {
    #[inline]
    fn new(empty: T) -> Self {
        Stack { slots: [empty; DEPTH], height: 0 }
    }

    #[inline]
    fn push(&mut self, value: T) {
        self.slots[self.height] = value;
        self.height += 1;
    }

    #[inline]
    fn pop(&mut self) -> T {
        self.height -= 1;
        self.slots[self.height]
    }
}

/// Applies one function to a column. Naming the cheap functions outside the loop makes vector
/// instructions of them; beside a call into `libm` the choice inside the loop costs nothing.
fn map_unary(function: Unary, a: &[f64], out: &mut [f64]) {
    macro_rules! columns {
        ($($f:pat => $g:expr),*) => {
            match function {
                $($f => for (o, a) in out.iter_mut().zip(a) {
                    *o = a.unary($g);
                })*
            }
        };
    }
    columns!(
        Unary::Negate => Unary::Negate,
        Unary::Abs => Unary::Abs,
        Unary::Sqrt => Unary::Sqrt,
        Unary::Power(2) => Unary::Power(2),
        Unary::Power(3) => Unary::Power(3),
        Unary::Power(4) => Unary::Power(4),
        other => other
    );
}

fn map_binary(function: Binary, a: &[f64], b: &[f64], out: &mut [f64]) {
    macro_rules! columns {
        ($($f:ident),*) => {
            match function {
                $(Binary::$f => {
                    for ((o, a), b) in out.iter_mut().zip(a).zip(b) {
                        *o = a.binary(Binary::$f, *b);
                    }
                })*
            }
        };
    }
    columns!(Add, Subtract, Multiply, Divide, Power, Min, Max);
}

fn variable(operand: Option<Operand>) -> Option<usize> {
    match operand {
        Some(Operand::Variable(i)) => Some(i),
        _ => None,
    }
}

impl Instruction {
    fn operands(&self) -> [Option<Operand>; 2] {
        match *self {
            Instruction::Load(a) | Instruction::Unary(_, a) => [Some(a), None],
            Instruction::Binary(_, a, b) => [Some(a), Some(b)],
        }
    }

    fn consumes(&self) -> usize {
        self.operands().iter().filter(|o| **o == Some(Operand::Top)).count()
    }
}
