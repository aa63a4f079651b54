//! What a model is made of: every part hands over its weights, in a fixed order.

use super::{Linear, Param};

/// The smallest parts: a weight by itself, or a linear layer, which can carry an adapter.
pub enum Piece<'a> {
    /// An embedding, a norm's scale, a bias of its own.
    Param(&'a Param),
    /// A linear layer.
    Linear(&'a Linear),
}

/// As [`Piece`], to change.
pub enum PieceMut<'a> {
    /// As [`Piece::Param`].
    Param(&'a mut Param),
    /// As [`Piece::Linear`].
    Linear(&'a mut Linear),
}

/// Anything with weights. A struct of such parts becomes one by `module_fields!`.
pub trait Module {
    /// Adds its pieces to `found`, in a fixed order.
    fn visit<'a>(&'a self, found: &mut Vec<Piece<'a>>);

    /// As [`Module::visit`], to change.
    fn visit_mut<'a>(&'a mut self, found: &mut Vec<PieceMut<'a>>);

    /// Every weight, those of biases and adapters included.
    fn params(&self) -> Vec<&Param> {
        let (mut found, mut params) = (Vec::new(), Vec::new());
        self.visit(&mut found);
        for piece in found {
            match piece {
                Piece::Param(param) => params.push(param),
                Piece::Linear(linear) => params.extend(linear.params()),
            }
        }
        params
    }

    /// As [`Module::params`], to change.
    fn params_mut(&mut self) -> Vec<&mut Param> {
        let (mut found, mut params) = (Vec::new(), Vec::new());
        self.visit_mut(&mut found);
        for piece in found {
            match piece {
                PieceMut::Param(param) => params.push(param),
                PieceMut::Linear(linear) => params.extend(linear.params_mut()),
            }
        }
        params
    }

    /// The linear layers, each of which can carry an adapter.
    fn linears(&self) -> Vec<&Linear> {
        let mut found = Vec::new();
        self.visit(&mut found);
        let linear = |piece| match piece {
            Piece::Linear(linear) => Some(linear),
            Piece::Param(_) => None,
        };
        found.into_iter().filter_map(linear).collect()
    }

    /// As [`Module::linears`], to change.
    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        let mut found = Vec::new();
        self.visit_mut(&mut found);
        let linear = |piece| match piece {
            PieceMut::Linear(linear) => Some(linear),
            PieceMut::Param(_) => None,
        };
        found.into_iter().filter_map(linear).collect()
    }
}

impl Module for Param {
    fn visit<'a>(&'a self, found: &mut Vec<Piece<'a>>) {
        found.push(Piece::Param(self));
    }

    fn visit_mut<'a>(&'a mut self, found: &mut Vec<PieceMut<'a>>) {
        found.push(PieceMut::Param(self));
    }
}

impl Module for Linear {
    fn visit<'a>(&'a self, found: &mut Vec<Piece<'a>>) {
        found.push(Piece::Linear(self));
    }

    fn visit_mut<'a>(&'a mut self, found: &mut Vec<PieceMut<'a>>) {
        found.push(PieceMut::Linear(self));
    }
}

impl<T: Module> Module for Option<T> {
    fn visit<'a>(&'a self, found: &mut Vec<Piece<'a>>) {
        self.iter().for_each(|part| part.visit(found));
    }

    fn visit_mut<'a>(&'a mut self, found: &mut Vec<PieceMut<'a>>) {
        self.iter_mut().for_each(|part| part.visit_mut(found));
    }
}

impl<T: Module> Module for Vec<T> {
    fn visit<'a>(&'a self, found: &mut Vec<Piece<'a>>) {
        self.iter().for_each(|part| part.visit(found));
    }

    fn visit_mut<'a>(&'a mut self, found: &mut Vec<PieceMut<'a>>) {
        self.iter_mut().for_each(|part| part.visit_mut(found));
    }
}

/// Makes a [`Module`] of a struct: `module_fields!(Layer: norm, q_proj, k_proj)`, in the order of the weights.
macro_rules! module_fields {
    ($type:ty: $($field:ident),+ $(,)?) => {
        impl $crate::nn::Module for $type {
            fn visit<'a>(&'a self, found: &mut Vec<$crate::nn::Piece<'a>>) {
                $($crate::nn::Module::visit(&self.$field, found);)+
            }

            fn visit_mut<'a>(&'a mut self, found: &mut Vec<$crate::nn::PieceMut<'a>>) {
                $($crate::nn::Module::visit_mut(&mut self.$field, found);)+
            }
        }
    };
}

pub(crate) use module_fields;
