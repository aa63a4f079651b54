//! A model that names what a picture shows: the one thing here that is not text, to see that the steps are the same.

use std::path::Path;

use candle_core::{Device, Tensor};
use image::imageops::{resize, FilterType};
use serde_json::Value;

use crate::checkpoint::read_json;
use crate::error::{Error, ErrorKind, Result};
use crate::hub::{load_weights, model_files};
use crate::models::{self, vit::Vit};
use crate::nn::Weights;

/// A classifier of pictures, a ViT. It can be used, not trained.
pub struct ImageClassifier {
    labels: Vec<String>,
    model: Vit,
    settings: Settings,
}

/// How a picture is prepared: `preprocessor_config.json`.
struct Settings {
    mean: [f32; 3],
    std: [f32; 3],
    scale: f32,
    filter: FilterType,
}

impl ImageClassifier {
    /// Loads a ViT, `ViTForImageClassification`: a folder or a name of the Hub.
    ///
    /// # Errors
    /// When it is not there, is of another family, or its pictures are to be prepared in a way that is not known here.
    pub fn load(name: &str) -> Result<Self> {
        let folder = model_files(name)?;
        let config = read_json(&folder.join("config.json"))?;
        let kind = config["model_type"].as_str().unwrap_or("?");
        if kind != "vit" {
            return Err(Error::new(
                ErrorKind::BadModel,
                tr!("«{name}» es un modelo {kind}, no un vit.", "\"{name}\" is a {kind} model, not a vit."),
            )
            .next(tr!("Por ejemplo: google/vit-base-patch16-224", "For example: google/vit-base-patch16-224")));
        }
        let model = Vit::new(&config, Weights::found(load_weights(&folder)?))?;
        let file = folder.join("preprocessor_config.json");
        let settings =
            Settings::read(&if file.is_file() { read_json(&file)? } else { Value::Null }, model.image_size())?;
        Ok(Self { labels: models::labels(&config), model, settings })
    }

    /// The names of its labels, in the order of the logits.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The number that each label gets for the picture in a file, JPEG or PNG.
    ///
    /// # Errors
    /// When there is no such file, or it is no picture.
    pub fn logits_of(&self, path: &str) -> Result<Vec<f64>> {
        Ok(self.model.logits(&self.settings.pixels(Path::new(path), self.model.image_size())?)?)
    }
}

impl Settings {
    fn read(told: &Value, side: usize) -> Result<Self> {
        let size = [&told["size"], &told["size"]["height"], &told["size"]["width"]];
        let other = size.into_iter().filter_map(Value::as_u64).find(|pixels| *pixels != side as u64);
        let shown = &told["size"];
        let unknown = |why: String| {
            let what = tr!(
                "Este modelo prepara las imágenes de una manera que no conozco.",
                "This model prepares pictures in a way that I do not know."
            );
            Error::new(ErrorKind::BadModel, what).why(why).next(tr!(
                "Elige otro, como google/vit-base-patch16-224.",
                "Choose another, such as google/vit-base-patch16-224."
            ))
        };
        if other.is_some() || told["size"].get("shortest_edge").is_some() || told["do_center_crop"] == true {
            return Err(unknown(format!("size = {shown}, image_size = {side}")));
        }
        let three = |name: &str| {
            let value = |i: usize| told[name][i].as_f64().unwrap_or(0.5) as f32;
            [value(0), value(1), value(2)]
        };
        let plain = told["do_normalize"] == false;
        Ok(Self {
            mean: if plain { [0.0; 3] } else { three("image_mean") },
            std: if plain { [1.0; 3] } else { three("image_std") },
            scale: told["rescale_factor"].as_f64().unwrap_or(1.0 / 255.0) as f32,
            // Pillow's numbers: 2 bilinear, 3 bicubic.
            filter: match told["resample"].as_u64().unwrap_or(2) {
                2 => FilterType::Triangle,
                3 => FilterType::CatmullRom,
                other => return Err(unknown(format!("resample = {other}"))),
            },
        })
    }

    /// The picture as numbers (3, side, side).
    fn pixels(&self, path: &Path, side: usize) -> Result<Tensor> {
        let shown = path.display();
        let read = image::ImageReader::open(path).and_then(|reader| reader.with_guessed_format());
        let reader = read.map_err(|error| crate::sys::io_error(path, "leer", "read", &error))?;
        let picture = reader.decode().map_err(|error| {
            Error::new(
                ErrorKind::BadData,
                tr!("«{shown}» no es una imagen que pueda leer.", "\"{shown}\" is no picture that I can read."),
            )
            .why(error)
            .next(tr!("Guárdala como PNG o JPEG.", "Save it as PNG or JPEG."))
        })?;
        let picture = resize(&picture.to_rgb8(), side as u32, side as u32, self.filter);
        let mut numbers = vec![0.0f32; 3 * side * side];
        for (x, y, pixel) in picture.enumerate_pixels() {
            for colour in 0..3 {
                let value = f32::from(pixel[colour]) * self.scale;
                numbers[(colour * side + y as usize) * side + x as usize] =
                    (value - self.mean[colour]) / self.std[colour];
            }
        }
        Ok(Tensor::from_vec(numbers, (3, side, side), &Device::Cpu)?)
    }
}

impl std::fmt::Display for ImageClassifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (side, labels) = (self.model.image_size(), self.labels.len());
        f.write_str(&tr!(
            "vit: imágenes de {side} × {side}, {labels} etiquetas",
            "vit: pictures of {side} × {side}, {labels} labels"
        ))
    }
}
