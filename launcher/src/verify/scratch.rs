//! A place of its own for a lesson that is checked: what a person left beside the notebooks (a test bed, a model, a file of
//! theirs) neither changes what is measured nor is changed by it.

use crate::paths::Places;
use crate::problem::Result;
use crate::state;
use std::path::{Path, PathBuf};

/// A copy of the notebook in a new folder that lies as the notebooks' own does, with the course's data beside it.
pub fn copy(places: &Places, notebook: &Path) -> Result<PathBuf> {
    let home = places.aula.join("verify");
    let language = notebook.parent().and_then(Path::file_name).unwrap_or_default();
    let folder = home.join("notebooks").join(language);
    let unwritable = |error: std::io::Error| state::unwritable(&folder, &error);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(unwritable)?;
    }
    std::fs::create_dir_all(&folder).map_err(unwritable)?;
    let data = home.join("data");
    if !data.exists() {
        let _ = std::fs::remove_file(&data); // a link to where the project was before
        std::os::unix::fs::symlink(places.root.join("data"), &data).map_err(unwritable)?;
    }
    let copy = folder.join(notebook.file_name().unwrap_or_default());
    std::fs::copy(notebook, &copy).map_err(unwritable)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_lies_beside_a_lesson_is_neither_seen_nor_touched() {
        let root = std::env::temp_dir().join(format!("aula scratch ñ {}", std::process::id()));
        let _ = std::fs::remove_dir_all(&root);
        let own = root.join("notebooks/es/mi-banco.csv");
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        std::fs::create_dir_all(root.join("data/es")).unwrap();
        std::fs::write(&own, "mine").unwrap();
        std::fs::write(root.join("notebooks/es/03-adaptar.ipynb"), "{}").unwrap();
        std::fs::write(root.join("data/es/diario.csv"), "texto").unwrap();
        let places = Places { aula: root.join(".aula"), root: root.clone() };
        for _ in 0..2 {
            let copy = copy(&places, &root.join("notebooks/es/03-adaptar.ipynb")).unwrap();
            let beside = copy.parent().unwrap();
            assert_eq!(std::fs::read_to_string(beside.join("../../data/es/diario.csv")).unwrap(), "texto");
            assert_eq!(std::fs::read_dir(beside).unwrap().count(), 1);
            std::fs::write(beside.join("mi-banco.csv"), "of the check").unwrap();
        }
        assert_eq!(std::fs::read_to_string(&own).unwrap(), "mine");
        std::fs::remove_dir_all(&root).unwrap();
    }
}
