//! Mojibake: UTF-8 that somebody read as Windows-1252, so that `ñ` became `Ã±`; and the way back.

/// The text as it was meant, where it holds UTF-8 that was read as Windows-1252 or Latin-1, once or several times.
///
/// Only runs of such letters are touched, so a text that is broken in part is mended in part. `None` where nothing
/// looks broken.
pub fn repair_mojibake(text: &str) -> Option<String> {
    let mut mended = mend_once(text)?;
    // A file that was read wrongly twice needs the way back twice; ñ became Ã± and that ÃƒÂ±.
    for _ in 0..2 {
        let Some(again) = mend_once(&mended) else { break };
        mended = again;
    }
    Some(mended)
}

fn mend_once(text: &str) -> Option<String> {
    // What every such run begins with; a text without it is left after one look at its bytes.
    if !text.bytes().any(|byte| byte == 0xc3 || byte == 0xc2) {
        return None;
    }
    let mut mended = String::new();
    let mut copied = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        let Some(lead) = windows_byte(first).filter(|byte| *byte >= 0xc2) else { continue };
        let wanted = match lead {
            0xc2..=0xdf => 1,
            0xe0..=0xef => 2,
            0xf0..=0xf4 => 3,
            _ => continue,
        };
        let mut bytes = vec![lead];
        let mut ahead = chars.clone();
        let mut end = start;
        while bytes.len() <= wanted {
            let Some((at, next)) = ahead.next() else { break };
            let Some(byte) = windows_byte(next).filter(|byte| (0x80..0xc0).contains(byte)) else { break };
            bytes.push(byte);
            end = at + next.len_utf8();
        }
        let meant = std::str::from_utf8(&bytes).ok().and_then(|meant| meant.chars().next());
        let Some(meant) = meant.filter(|meant| bytes.len() == wanted + 1 && plausible(lead, *meant)) else { continue };
        mended.push_str(&text[copied..start]);
        mended.push(meant);
        copied = end;
        chars = ahead;
    }
    if copied == 0 {
        return None;
    }
    mended.push_str(&text[copied..]);
    Some(mended)
}

/// What people do write: `É…` could be UTF-8 read wrongly too, for a letter that no text here has.
fn plausible(lead: u8, meant: char) -> bool {
    match lead {
        // Ã and Â: the letters of western Europe, where most of all mojibake comes from; and, in what was broken twice,
        // the bytes that Windows-1252 leaves without a sign.
        0xc2 | 0xc3 => {
            ('\u{a0}'..='\u{ff}').contains(&meant)
                || matches!(meant, '\u{81}' | '\u{8d}' | '\u{8f}' | '\u{90}' | '\u{9d}')
        }
        // Å, Æ, Ë before a quotation mark or the like: signs of Windows-1252 in what was broken twice.
        0xc5 | 0xc6 | 0xcb => windows_byte(meant).is_some_and(|byte| byte < 0xa0),
        // â: quotation marks, dashes, the ellipsis, the euro, arrows, signs.
        0xe2 => ('\u{2010}'..='\u{27bf}').contains(&meant),
        // ï: the byte order mark and full-width letters.
        0xef => meant == '\u{feff}' || meant == '\u{fe0f}' || ('\u{ff00}'..='\u{ffef}').contains(&meant),
        // ð: emoji.
        0xf0 => ('\u{1f000}'..='\u{1faff}').contains(&meant),
        _ => false,
    }
}

/// The byte that Windows-1252 has for a character; Latin-1's where Windows has none.
fn windows_byte(c: char) -> Option<u8> {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘',
        '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match u32::from(c) {
        code @ (0x80..=0xff) => Some(code as u8),
        0x100.. => HIGH.iter().position(|high| *high == c).map(|place| 0x80 + place as u8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `text` as it looks when its UTF-8 is read as Windows-1252.
    fn broken(text: &str) -> String {
        encoding_rs::WINDOWS_1252.decode_without_bom_handling(text.as_bytes()).0.into_owned()
    }

    #[test]
    fn what_was_broken_once_or_twice_comes_back() {
        let text = "¿Qué pasó en el año 2020? «Ñandú» – “sí”… 50 € 🦊 à Í Á";
        assert_eq!(repair_mojibake(&broken(text)).unwrap(), text);
        assert_eq!(repair_mojibake(&broken(&broken(text))).unwrap(), text);
        assert_eq!(repair_mojibake("un niÃ±o y un niño").unwrap(), "un niño y un niño");
    }

    #[test]
    fn what_is_right_stays() {
        for text in ["¿Qué pasó?", "São Paulo, NÃO", "CAFÉ… Ñ”", "naïve – “yes”", "plain", "À «table»", ""]
        {
            assert_eq!(repair_mojibake(text), None, "{text}");
        }
    }
}
