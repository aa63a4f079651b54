//! What every model of `self.files` and `self.model` can do, whatever its task, written once.

/// Gives a model type the methods that do not depend on its task: `model_methods!(Type, self => its module, peft's task)`.
macro_rules! model_methods {
    ($type:ty, $self:ident => $module:expr, $task:expr) => {
        impl $type {
            /// The model's tokenizer.
            pub fn tokenizer(&$self) -> &$crate::tokenizer::Tokenizer {
                &$self.files.tokenizer
            }

            /// How the model's tokenizer cuts a text.
            pub fn tokens(&$self, text: &str) -> $crate::error::Result<$crate::tokenizer::Tokens> {
                $self.tokenizer().tokens(text)
            }

            /// Adds the adapters into the weights and takes them off; everything can be trained again.
            pub fn merge_lora(&mut $self) -> $crate::error::Result<()> {
                $crate::nn::merge_lora(&mut $module)
            }

            /// Saves what was trained beside the model, as peft does: a small folder, to put on the same model with
            /// `load_adapter`.
            pub fn save_adapter(&$self, path: &str) -> $crate::error::Result<()> {
                $crate::adapter::save_adapter(&$module, $task, path)
            }

            /// Puts an adapter on the model that `save_adapter` or peft wrote; one that was on it is taken off.
            pub fn load_adapter(&mut $self, path: &str) -> $crate::error::Result<()> {
                $crate::adapter::load_adapter(&mut $module, path)
            }

            /// How many numbers are trainable, and how many there are.
            pub fn count_parameters(&$self) -> (usize, usize) {
                $crate::nn::count_parameters(&$module)
            }

            /// The weights by name, with the adapters added in: what a saved model holds.
            pub fn merged_weights(
                &$self,
            ) -> $crate::error::Result<std::collections::BTreeMap<String, candle_core::Tensor>> {
                $crate::nn::merged_weights(&$module)
            }

            /// Saves the model as a folder that this library and transformers open: written whole, or not at all.
            pub fn save(&$self, path: &str) -> $crate::error::Result<()> {
                $self.save_with(path, &$crate::save::SaveOptions::default())
            }

            /// As `save`, in half precision or in several files.
            pub fn save_with(&$self, path: &str, options: &$crate::save::SaveOptions) -> $crate::error::Result<()> {
                $self.files.save(path, &$self.merged_weights()?, options)
            }

            /// Shows what it is.
            pub fn evcxr_display(&$self) {
                println!("{}", $self);
            }
        }
    };
}

pub(crate) use model_methods;
