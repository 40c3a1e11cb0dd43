//! `$((…))`.

use brush_parser::ast::{ArithmeticExpr, ArithmeticTarget, BinaryOperator, UnaryAssignmentOperator, UnaryOperator};
use brush_parser::word::{self, Parameter};

use super::{Flow, Shell, parser_options};

impl Shell {
    /// The value of `$((text))`.
    pub(crate) fn arithmetic(&mut self, text: &str) -> Result<i64, Flow> {
        let expanded = match word::parse_heredoc(text, &parser_options()) {
            Ok(pieces) => self.join(&pieces, true)?.into_iter().map(|(c, _)| c).collect::<String>(),
            Err(_) => text.to_owned(),
        };
        match brush_parser::arithmetic::parse(&expanded) {
            Ok(expr) => self.calculate(&expr, 0),
            Err(_) => {
                self.complain(&format!("arithmetic expression: expecting primary: \"{expanded}\""));
                Err(Flow::Exit(2))
            }
        }
    }

    pub(super) fn calculate(&mut self, expr: &ArithmeticExpr, depth: u32) -> Result<i64, Flow> {
        if depth > 100 {
            self.complain("expression recursion level exceeded");
            return Err(Flow::Exit(2));
        }
        Ok(match expr {
            ArithmeticExpr::Literal(n) => *n,
            ArithmeticExpr::Reference(target) => self.number(target, depth)?,
            ArithmeticExpr::UnaryOp(op, inner) => {
                let n = self.calculate(inner, depth + 1)?;
                match op {
                    UnaryOperator::UnaryPlus => n,
                    UnaryOperator::UnaryMinus => n.wrapping_neg(),
                    UnaryOperator::BitwiseNot => !n,
                    UnaryOperator::LogicalNot => i64::from(n == 0),
                }
            }
            ArithmeticExpr::BinaryOp(BinaryOperator::LogicalAnd, a, b) => {
                i64::from(self.calculate(a, depth + 1)? != 0 && self.calculate(b, depth + 1)? != 0)
            }
            ArithmeticExpr::BinaryOp(BinaryOperator::LogicalOr, a, b) => {
                i64::from(self.calculate(a, depth + 1)? != 0 || self.calculate(b, depth + 1)? != 0)
            }
            ArithmeticExpr::BinaryOp(op, a, b) => {
                let (a, b) = (self.calculate(a, depth + 1)?, self.calculate(b, depth + 1)?);
                self.binary(op, a, b)?
            }
            ArithmeticExpr::Conditional(c, a, b) => {
                if self.calculate(c, depth + 1)? != 0 {
                    self.calculate(a, depth + 1)?
                } else {
                    self.calculate(b, depth + 1)?
                }
            }
            ArithmeticExpr::Assignment(target, value) => {
                let n = self.calculate(value, depth + 1)?;
                self.assign_number(target, n)?;
                n
            }
            ArithmeticExpr::BinaryAssignment(op, target, value) => {
                let (a, b) = (self.number(target, depth)?, self.calculate(value, depth + 1)?);
                let n = self.binary(op, a, b)?;
                self.assign_number(target, n)?;
                n
            }
            ArithmeticExpr::UnaryAssignment(op, target) => {
                let n = self.number(target, depth)?;
                let (new, result) = match op {
                    UnaryAssignmentOperator::PrefixIncrement => (n + 1, n + 1),
                    UnaryAssignmentOperator::PrefixDecrement => (n - 1, n - 1),
                    UnaryAssignmentOperator::PostfixIncrement => (n + 1, n),
                    UnaryAssignmentOperator::PostfixDecrement => (n - 1, n),
                };
                self.assign_number(target, new)?;
                result
            }
        })
    }

    pub(super) fn number(&mut self, target: &ArithmeticTarget, depth: u32) -> Result<i64, Flow> {
        let ArithmeticTarget::Variable(name) = target else { return Ok(0) };
        let value = self.checked(&Parameter::Named(name.clone()))?;
        let value = value.trim();
        if value.is_empty() {
            return Ok(0);
        }
        match brush_parser::arithmetic::parse(value) {
            Ok(expr) => self.calculate(&expr, depth + 1),
            Err(_) => {
                self.complain(&format!("Illegal number: {value}"));
                Err(Flow::Exit(2))
            }
        }
    }

    pub(super) fn assign_number(&mut self, target: &ArithmeticTarget, n: i64) -> Result<(), Flow> {
        match target {
            ArithmeticTarget::Variable(name) => self.set(name, n.to_string()),
            ArithmeticTarget::ArrayElement(..) => self.bad_substitution(),
        }
    }

    pub(super) fn binary(&mut self, op: &BinaryOperator, a: i64, b: i64) -> Result<i64, Flow> {
        use BinaryOperator as O;
        Ok(match op {
            O::Multiply => a.wrapping_mul(b),
            O::Divide | O::Modulo if b == 0 => {
                self.complain("division by zero");
                return Err(Flow::Exit(2));
            }
            O::Divide => a.wrapping_div(b),
            O::Modulo => a.wrapping_rem(b),
            O::Add => a.wrapping_add(b),
            O::Subtract => a.wrapping_sub(b),
            O::ShiftLeft => a.wrapping_shl(b.cast_unsigned() as u32),
            O::ShiftRight => a.wrapping_shr(b.cast_unsigned() as u32),
            O::LessThan => i64::from(a < b),
            O::LessThanOrEqualTo => i64::from(a <= b),
            O::GreaterThan => i64::from(a > b),
            O::GreaterThanOrEqualTo => i64::from(a >= b),
            O::Equals => i64::from(a == b),
            O::NotEquals => i64::from(a != b),
            O::BitwiseAnd => a & b,
            O::BitwiseXor => a ^ b,
            O::BitwiseOr => a | b,
            O::Comma => b,
            O::Power => a.wrapping_pow(u32::try_from(b).unwrap_or(0)),
            O::LogicalAnd => i64::from(a != 0 && b != 0),
            O::LogicalOr => i64::from(a != 0 || b != 0),
        })
    }
}
