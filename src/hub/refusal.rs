//! What to tell the reader when the Hub says no, says nothing, or is not there.

use super::asked::Asked;
use super::net::{encoded, Net, Refusal, Trouble};
use super::places::Places;
use super::{alternatives, LISTED};
use crate::error::{Error, ErrorKind};
use crate::sys::stopped_error;
use crate::table::listed;

/// The error for what happened while the reader wanted `asked`.
pub(super) fn failed(trouble: Trouble, asked: &Asked, net: &Net, places: &Places) -> Error {
    match trouble {
        Trouble::Refused(refusal) => refused(&refusal, asked, net, places),
        other => no_answer(other, Some(asked), places),
    }
}

/// The error where the Hub was not heard, or was told to stop.
pub(super) fn no_answer(trouble: Trouble, asked: Option<&Asked>, places: &Places) -> Error {
    let endpoint = places.shown_endpoint();
    let what = tr!("No se pudo llegar al Hub ({endpoint}).", "The Hub could not be reached ({endpoint}).");
    let why = match trouble {
        Trouble::Stopped => return stopped(asked),
        Trouble::Silent(time) => {
            let seconds = time.as_secs_f64();
            tr!("No respondió en {seconds:.1} s.", "No answer within {seconds:.1} s.")
        }
        Trouble::Broken(why) => places.scrubbed(&why),
        Trouble::Refused(refusal) => return refused_without_name(&refusal, places),
    };
    Error::new(ErrorKind::System, what).why(why).next(tr!(
        "Sin red se puede seguir. {} Si tu red es lenta, sube HF_HUB_ETAG_TIMEOUT (segundos).",
        "You can go on with no network. {} If your network is slow, raise HF_HUB_ETAG_TIMEOUT (seconds).",
        alternatives(places)
    ))
}

fn stopped(asked: Option<&Asked>) -> Error {
    let name = asked.map(|asked| asked.name.clone()).unwrap_or_default();
    let what = match name.is_empty() {
        true => tr!("La búsqueda está parada.", "The search is stopped."),
        false => tr!("La descarga de «{name}» está parada.", "The download of \"{name}\" is stopped."),
    };
    stopped_error(
        what,
        tr!("Ejecuta la celda otra vez: sigue donde se quedó.", "Run the cell again: it goes on where it stopped."),
    )
}

/// What the Hub's refusal means. It answers 401, not 404, about a model that is not there to those without a token.
fn refused(refusal: &Refusal, asked: &Asked, net: &Net, places: &Places) -> Error {
    let (name, status, page) = (&asked.name, refusal.status, asked.page(places));
    let with_token = places.token.is_some();
    let error = match (status, refusal.code.as_str()) {
        (_, "GatedRepo") => gated(name, &page, with_token, places),
        (404, "RevisionNotFound") => no_revision(asked, &page),
        (404, "EntryNotFound") => Error::new(
            ErrorKind::NotFound,
            tr!("A «{name}» le falta un archivo en el Hub.", "\"{name}\" lacks a file on the Hub."),
        )
        .next(tr!("Mira sus archivos en {page}/tree/main.", "Look at its files at {page}/tree/main.")),
        (404, _) => not_there(asked, net, places),
        (401, _) if !with_token => not_there_or_private(asked, net, places),
        (401 | 403, _) => no_right(name, &page, places),
        (429 | 500..600, _) => return refused_without_name(refusal, places),
        _ => Error::new(ErrorKind::System, tr!("La descarga de «{name}» falló.", "The download of \"{name}\" failed."))
            .next(
                tr!("Prueba otra vez: lo ya descargado se aprovecha. ", "Try again: what was downloaded is kept. ")
                    + &alternatives(places),
            ),
    };
    error.why(refusal.told())
}

/// What the Hub's refusal means, whatever it was asked for.
fn refused_without_name(refusal: &Refusal, places: &Places) -> Error {
    let status = refusal.status;
    let what = match status {
        429 => return too_often(refusal.wait, places).why(refusal.told()),
        500..600 => {
            tr!("El Hub tiene un problema propio ({status}).", "The Hub has a problem of its own ({status}).")
        }
        _ => tr!("El Hub no entiende la pregunta ({status}).", "The Hub does not understand the request ({status})."),
    };
    let next = match status {
        500..600 => tr!("No eres tú: prueba en unos minutos. ", "It is not you: try again in some minutes. "),
        _ => tr!("Revisa los valores, y tu clave (HF_TOKEN). ", "Check the values, and your token (HF_TOKEN). "),
    };
    Error::new(ErrorKind::System, what).why(refusal.told()).next(next + &alternatives(places))
}

fn gated(name: &str, page: &str, with_token: bool, places: &Places) -> Error {
    let endpoint = places.shown_endpoint();
    let what = tr!(
        "«{name}» pide aceptar sus condiciones antes de usarlo.",
        "\"{name}\" asks you to accept its terms before you use it."
    );
    let next = match with_token {
        true => tr!(
            "Entra con tu cuenta en {page} y acéptalas; tu clave ya llegó. ",
            "Log in at {page} and accept them; your token is in place. "
        ),
        false => tr!(
            "Entra con tu cuenta en {page}, acéptalas, crea una clave en {endpoint}/settings/tokens y ponla en el archivo .env: HF_TOKEN=hf_... ",
            "Log in at {page}, accept them, make a token at {endpoint}/settings/tokens and put it in the file .env: HF_TOKEN=hf_... "
        ),
    };
    Error::new(ErrorKind::System, what).next(next + &alternatives(places))
}

fn no_revision(asked: &Asked, page: &str) -> Error {
    let (name, revision) = (&asked.name, &asked.revision);
    Error::new(
        ErrorKind::NotFound,
        tr!("«{name}» no tiene la revisión «{revision}».", "\"{name}\" has no revision \"{revision}\"."),
    )
    .next(tr!(
        "Mira las que tiene en {page}/tree/main, o pide «{name}» a secas.",
        "Look at those it has at {page}/tree/main, or ask for \"{name}\" alone."
    ))
}

fn not_there(asked: &Asked, net: &Net, places: &Places) -> Error {
    let (name, endpoint) = (&asked.name, places.shown_endpoint());
    Error::new(ErrorKind::NotFound, tr!("El Hub no tiene «{name}».", "The Hub has no \"{name}\".")).next(
        near_names(asked, net, places)
            + &tr!("Busca el nombre exacto en {endpoint}. ", "Look for the exact name at {endpoint}. ")
            + &alternatives(places),
    )
}

fn not_there_or_private(asked: &Asked, net: &Net, places: &Places) -> Error {
    let (name, endpoint) = (&asked.name, places.shown_endpoint());
    let what = tr!(
        "El Hub no entrega «{name}»: no existe, o es privado.",
        "The Hub does not give \"{name}\": it does not exist, or is private."
    );
    Error::new(ErrorKind::NotFound, what).next(
        near_names(asked, net, places)
            + &tr!(
                "Revisa el nombre en {endpoint}; si es privado, pon tu clave en HF_TOKEN o en el archivo .env. ",
                "Check the name at {endpoint}; if it is private, put your token in HF_TOKEN or in the file .env. "
            )
            + &alternatives(places),
    )
}

fn no_right(name: &str, page: &str, places: &Places) -> Error {
    let endpoint = places.shown_endpoint();
    let what = tr!("El Hub no te deja usar «{name}».", "The Hub does not let you use \"{name}\".");
    Error::new(ErrorKind::System, what).next(
        tr!(
            "Revisa el nombre, si tu clave (HF_TOKEN) sigue valiendo en {endpoint}/settings/tokens, y si {page} pide aceptar condiciones. ",
            "Check the name, whether your token (HF_TOKEN) is still good at {endpoint}/settings/tokens, and whether {page} has terms to accept. "
        ) + &alternatives(places),
    )
}

fn too_often(wait: Option<u64>, places: &Places) -> Error {
    let what = tr!("El Hub pide una pausa: demasiadas preguntas.", "The Hub asks for a pause: too many requests.");
    let next = match wait {
        Some(seconds) => tr!("Prueba otra vez en {seconds} s. ", "Try again in {seconds} s. "),
        None => tr!("Prueba otra vez en unos minutos. ", "Try again in some minutes. "),
    };
    let shared = tr!(
        "En una clase que comparte red, que descargue una persona y copie la caché. ",
        "In a class that shares a network, let one person download and copy the cache. "
    );
    Error::new(ErrorKind::System, what).next(next + &shared + &alternatives(places))
}

/// Names of the Hub that look like the one that is not there.
fn near_names(asked: &Asked, net: &Net, places: &Places) -> String {
    let kind = if asked.repo().api_url().starts_with("datasets/") { "datasets" } else { "models" };
    let last = asked.name.rsplit('/').next().unwrap_or_default();
    let url = format!("{}/api/{kind}?search={}&limit=5", places.endpoint, encoded(last));
    let Ok(found) = net.json(&url) else { return String::new() };
    let names = found.as_array().into_iter().flatten().filter_map(|model| model.get("id")?.as_str());
    let names: Vec<String> = names.map(String::from).collect();
    match listed(&names, LISTED) {
        names if names.is_empty() => String::new(),
        names => tr!("Parecidos en el Hub: {names}. ", "Alike on the Hub: {names}. "),
    }
}
