//! Numbers that name a person, told from others by their check digits.

use super::PersonalKind;
use std::ops::Range;

/// The numbers of a text that are likely to name a person.
pub(super) fn find(text: &str) -> Vec<(Range<usize>, PersonalKind)> {
    runs(text)
        .into_iter()
        .filter_map(|range| Some((range.clone(), kind(&text[range.clone()], before(text, &range))?)))
        .collect()
}

fn before<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    &text[..range.start]
}

/// Stretches of digits, capitals and the signs people put between them (blank, point, hyphen, slash, brackets), that
/// hold a digit; each word apart too where the stretch as a whole says nothing.
fn runs(text: &str) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    for word in text.split(char::is_whitespace) {
        let range = trimmed(text, at..at + word.len());
        at += word.len() + text[at + word.len()..].chars().next().map_or(0, char::len_utf8);
        let code = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '/' | '(' | ')' | '+');
        let piece = &text[range.clone()];
        match !piece.is_empty() && piece.chars().all(code) && piece.contains(|c: char| c.is_ascii_digit()) {
            true => words.push(range.clone()),
            false => {
                runs.extend(joined(text, &std::mem::take(&mut words)));
                let mixed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
                if piece.len() >= 8 && piece.chars().all(mixed) && piece.contains(|c: char| c.is_ascii_digit()) {
                    runs.push(range);
                } else if piece.len() == 4 && piece.as_bytes()[..2].iter().all(u8::is_ascii_uppercase) {
                    // An IBAN in groups of four begins with its country.
                    words.push(range);
                }
            }
        }
    }
    runs.extend(joined(text, &words));
    runs
}

/// The groups as one number if that is one, else each by itself.
fn joined(text: &str, words: &[Range<usize>]) -> Vec<Range<usize>> {
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return Vec::new() };
    let whole = first.start..last.end;
    match words.len() > 1 && kind(&text[whole.clone()], before(text, &whole)).is_some() {
        true => vec![whole],
        false => words.to_vec(),
    }
}

/// Without the punctuation of the sentence at its ends; an opening bracket with its pair stays.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let piece = &text[range.clone()];
    let end = piece.trim_end_matches(|c: char| !c.is_alphanumeric()).len();
    let left = piece[..end].trim_start_matches(|c: char| !c.is_alphanumeric() && c != '+' && c != '(');
    range.start + end - left.len()..range.start + end
}

fn kind(number: &str, before: &str) -> Option<PersonalKind> {
    let bare: Vec<u8> =
        number.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase()).collect();
    let digits: Vec<u32> =
        bare.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0')).collect();
    let only_digits = digits.len() == bare.len();
    match () {
        () if !only_digits && iban(&bare) => Some(PersonalKind::Iban),
        () if !only_digits && curp(&bare) => Some(PersonalKind::Curp),
        () if dni(&bare) => Some(PersonalKind::Dni),
        () if rut(number, &bare) => Some(PersonalKind::Rut),
        () if !only_digits => None,
        () if card(&digits) => Some(PersonalKind::Card),
        () if cuit(&digits) => Some(PersonalKind::Cuit),
        () if cpf(number, &digits) => Some(PersonalKind::Cpf),
        () if ssn(number) => Some(PersonalKind::Ssn),
        () if phone(number, &digits, before) => Some(PersonalKind::Phone),
        () => None,
    }
}

/// Luhn's check, and a beginning that a card has: 3 to 6, or 2 of the newer Mastercards.
fn card(digits: &[u32]) -> bool {
    let luhn = |(i, digit): (usize, &u32)| match i % 2 {
        0 => *digit,
        _ if *digit > 4 => 2 * digit - 9,
        _ => 2 * digit,
    };
    (13..=19).contains(&digits.len())
        && (2..=6).contains(&digits[0])
        && digits.iter().any(|digit| *digit != digits[0])
        && digits.iter().rev().enumerate().map(luhn).sum::<u32>() % 10 == 0
}

/// ISO 13616: letters as 10 to 35, the first four signs to the end, 1 modulo 97.
fn iban(bare: &[u8]) -> bool {
    if !(15..=34).contains(&bare.len())
        || !bare[..2].iter().all(u8::is_ascii_alphabetic)
        || !bare[2..4].iter().all(u8::is_ascii_digit)
    {
        return false;
    }
    let value = |rest: u32, byte: &u8| match byte.is_ascii_digit() {
        true => (rest * 10 + u32::from(byte - b'0')) % 97,
        false => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    };
    bare[4..].iter().chain(&bare[..4]).fold(0, value) == 1
}

/// Eight digits, or X, Y, Z and seven, and the letter that the remainder by 23 gives.
fn dni(bare: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let [first, rest @ .., letter] = bare else { return false };
    if bare.len() != 9 || !letter.is_ascii_alphabetic() || !rest.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let first = match first {
        b'X' | b'Y' | b'Z' => u32::from(first - b'X'),
        digit if digit.is_ascii_digit() => u32::from(digit - b'0'),
        _ => return false,
    };
    let number = rest.iter().fold(first, |number, digit| number * 10 + u32::from(digit - b'0'));
    LETTERS[(number % 23) as usize] == *letter
}

/// Eleven digits that begin as those of people and companies do; weights 5 4 3 2 7 6 5 4 3 2, modulo 11.
fn cuit(digits: &[u32]) -> bool {
    const WEIGHTS: [u32; 10] = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2];
    if digits.len() != 11 || ![20, 23, 24, 25, 26, 27, 30, 33, 34].contains(&(digits[0] * 10 + digits[1])) {
        return false;
    }
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    (11 - sum % 11) % 11 == digits[10]
}

/// Four letters, a date, sex and state, consonants, and a digit: weights 18 to 2 over an alphabet with Ñ, modulo 10.
fn curp(bare: &[u8]) -> bool {
    const SIGNS: &[u8; 37] = b"0123456789ABCDEFGHIJKLMN@OPQRSTUVWXYZ"; // @ holds the place of Ñ
    let form = bare.len() == 18
        && bare[..4].iter().all(u8::is_ascii_alphabetic)
        && bare[4..10].iter().all(u8::is_ascii_digit)
        && b"HMX".contains(&bare[10])
        && bare[11..16].iter().all(u8::is_ascii_alphabetic)
        && bare[17].is_ascii_digit();
    let value = |byte: &u8| SIGNS.iter().position(|sign| sign == byte).unwrap_or(0) as u32;
    form && {
        let sum: u32 = bare[..17].iter().zip((2..=18).rev()).map(|(byte, weight)| value(byte) * weight).sum();
        (10 - sum % 10) % 10 == u32::from(bare[17] - b'0')
    }
}

/// Seven or eight digits, a hyphen, and the digit or K that weights 2 to 7 from the right give, modulo 11.
fn rut(number: &str, bare: &[u8]) -> bool {
    let Some((body, check)) = number.rsplit_once('-') else { return false };
    if check.len() != 1 || body.contains('-') || !(8..=9).contains(&bare.len()) {
        return false;
    }
    let (digits, check) = (&bare[..bare.len() - 1], bare[bare.len() - 1]);
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 =
        digits.iter().rev().zip((2..=7).cycle()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    check == [b"0123456789K"[((11 - sum % 11) % 11) as usize]][0]
}

/// `123.456.789-09`: two digits, each the weighted sum of those before, modulo 11.
fn cpf(number: &str, digits: &[u32]) -> bool {
    let check = |n: usize| {
        let sum: u32 = digits[..n].iter().zip((2..=n as u32 + 1).rev()).map(|(digit, weight)| digit * weight).sum();
        sum * 10 % 11 % 10 == digits[n]
    };
    // Without its signs it would be one number in a hundred.
    digits.len() == 11 && number.matches('.').count() == 2 && number.matches('-').count() == 1 && check(9) && check(10)
}

/// `078-05-1120`; no area 000, 666 or 900 and above, no group 00, no serial 0000.
fn ssn(number: &str) -> bool {
    let parts: Vec<&str> = number.split('-').collect();
    let [area, group, serial] = parts.as_slice() else { return false };
    let digits = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(area, 3)
        && digits(group, 2)
        && digits(serial, 4)
        && !matches!(*area, "000" | "666")
        && !area.starts_with('9')
        && *group != "00"
        && *serial != "0000"
}

/// With a prefix `+34`, or 9 to 12 digits in groups of two or more, or 9 or 10 after a word that says so.
fn phone(number: &str, digits: &[u32], before: &str) -> bool {
    let length = digits.len();
    if number.starts_with('+') {
        return (9..=15).contains(&length);
    }
    let tail: String =
        before.chars().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<String>().to_lowercase();
    let said = ["tel", "cel", "móvil", "movil", "phone", "whatsapp", "wsp", "llama", "call", "fono"]
        .iter()
        .any(|word| tail.contains(word));
    if said {
        return (7..=12).contains(&length);
    }
    let groups: Vec<usize> =
        number.split([' ', '-', '(', ')']).filter(|group| !group.is_empty()).map(str::len).collect();
    let numeric = !number.contains(['/', '.']);
    let grouped = groups.len() >= 3 && groups.iter().all(|group| (2..=4).contains(group));
    numeric && grouped && (9..=12).contains(&length)
}

#[cfg(test)]
mod tests {
    use super::super::{find_personal, mask_personal_data};
    use super::*;

    fn kinds(text: &str) -> Vec<PersonalKind> {
        find_personal(text).into_iter().map(|found| found.1).collect()
    }

    #[test]
    fn a_right_check_digit_is_found_and_a_wrong_one_is_not() {
        use PersonalKind::{Card, Cpf, Cuit, Curp, Dni, Iban, Rut, Ssn};
        let pairs = [
            ("4111 1111 1111 1111", "4111 1111 1111 1112", Card),
            ("5500-0000-0000-0004", "5500-0000-0000-0005", Card),
            ("12345678Z", "12345678A", Dni),
            ("12.345.678-Z", "12.345.678-A", Dni),
            ("X1234567L", "X1234567M", Dni),
            ("20-12345678-6", "20-12345678-5", Cuit),
            ("HEGG560427MVZRRL04", "HEGG560427MVZRRL05", Curp),
            ("12.345.678-5", "12.345.678-6", Rut),
            ("123.456.789-09", "123.456.789-08", Cpf),
            ("ES91 2100 0418 4502 0005 1332", "ES92 2100 0418 4502 0005 1332", Iban),
            ("GB82WEST12345698765432", "GB83WEST12345698765432", Iban),
            ("078-05-1120", "666-05-1120", Ssn),
        ];
        for (right, wrong, kind) in pairs {
            assert_eq!(kinds(&format!("es {right}, creo")), [kind], "{right}");
            assert!(!kinds(&format!("es {wrong}, creo")).contains(&kind), "{wrong}");
        }
    }

    #[test]
    fn telephones_and_mail_are_found_and_prices_and_dates_are_not() {
        use PersonalKind::{Email, Phone};
        assert_eq!(kinds("escribe a ana.pérez@correo.com.ar."), [Email]);
        for text in ["+34 600 123 456", "(351) 555-12-34", "tel: 4567890", "011 4567 8901", "WhatsApp 3515551234"] {
            assert_eq!(kinds(text), [Phone], "{text}");
        }
        for text in [
            "1.234.567 pesos",
            "el 12/05/2023",
            "2023-05-12",
            "10 20 30",
            "año 2020 2021 2022 2023",
            "@ana",
            "a@b",
            "3,50 €",
        ] {
            assert!(kinds(text).is_empty(), "{text}: {:?}", kinds(text));
        }
    }

    #[test]
    fn what_is_masked_leaves_the_rest_of_the_text() {
        let masked = mask_personal_data("ana@x.org o 12345678Z, ¿sí?").unwrap();
        assert!(masked.ends_with("[DNI/NIE], ¿sí?") && masked.starts_with('[') && !masked.contains('@'), "{masked}");
        assert_eq!(mask_personal_data("nada"), None);
    }
}
