use super::*;
use polars::prelude::{DataType, ParquetWriter};
use std::time::Instant;

/// A file named `name` with these bytes, read as a table.
fn read(name: &str, bytes: &[u8]) -> Result<Table> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    Table::read(&path.to_string_lossy())
}

fn table(name: &str, text: &str) -> Table {
    read(name, text.as_bytes()).unwrap()
}

/// What the reader is told.
fn told(name: &str, bytes: &[u8]) -> String {
    read(name, bytes).unwrap_err().to_string()
}

fn kind(name: &str, bytes: &[u8]) -> ErrorKind {
    read(name, bytes).unwrap_err().kind()
}

#[test]
fn every_separator_is_found_and_commas_in_a_text_do_not_mislead() {
    for separator in [",", ";", "\t", "|"] {
        let text = ["texto", "n\n\"Hola, ñandú; sí\t|\"", "1\nadiós", "2\n"].join(separator);
        let table = table("a.csv", &text);
        assert_eq!(table.columns(), ["texto", "n"], "{separator:?}");
        assert_eq!(table.texts("texto").unwrap(), ["Hola, ñandú; sí\t|", "adiós"]);
        assert_eq!(table.texts("n").unwrap(), ["1", "2"]);
    }
    let prose = table("a.csv", "id;texto\n1;uno, dos, tres\n2;cuatro, cinco, seis\n");
    assert_eq!(prose.texts("texto").unwrap(), ["uno, dos, tres", "cuatro, cinco, seis"]);
    let excel = table("a.csv", "sep=;\na;b\n1,5;x\n");
    assert_eq!(excel.dataframe().column("a").unwrap().dtype(), &DataType::Float64);
}

#[test]
fn one_column_with_unquoted_commas_is_one_column() {
    let table = table("a.csv", "texto\nHola, ¿qué tal?\n\"Bien, ¿y tú?\"\n");
    assert_eq!(table.texts("texto").unwrap(), ["Hola, ¿qué tal?", "Bien, ¿y tú?"]);
}

#[test]
fn quotes_newlines_and_the_byte_order_mark_are_understood() {
    let table =
        table("a.csv", "\u{feff}texto,n\r\n\"dijo \"\"hola\"\"\r\ny se fue\",1\r\na 6\" nail,2\r\n\"uno\" y dos,3\r\n");
    assert_eq!(table.columns(), ["texto", "n"]);
    assert_eq!(table.texts("texto").unwrap(), ["dijo \"hola\"\r\ny se fue", "a 6\" nail", "\"uno\" y dos"]);
    assert_eq!(table.dataframe().column("n").unwrap().dtype(), &DataType::Int64);
}

#[test]
fn short_rows_are_padded_and_long_ones_named_by_line() {
    let padded = table("a.csv", "a,b,c\n1\n2,x\n\n3,y,z,,\n");
    assert_eq!((padded.height(), padded.width()), (3, 3));
    assert_eq!(padded.dataframe().column("c").unwrap().null_count(), 2);
    let text = told("a.csv", b"a,b\n1,\"x\ny\"\n2,y,z\n3,4\n5,6,7,8\n");
    assert!(text.contains(": 4, 6") && text.contains('4'), "{text}");
}

#[test]
fn a_quote_that_never_closes_is_named_by_line() {
    let text = told("a.csv", b"a,b\n1,2\n\"x,2\n3,4\n");
    assert!(text.contains(" 3 ") && text.contains("\"\""), "{text}");
}

#[test]
fn repeated_and_missing_names_of_columns_are_made_unique() {
    let columns = table("a.csv", "a,a,,a\n1,2,3,4\n").columns();
    assert_eq!((columns[0].as_str(), columns[1].as_str(), columns[3].as_str()), ("a", "a_2", "a_3"));
    assert!(columns[2].ends_with("_3"));
}

#[test]
fn other_encodings_are_converted() {
    let expected = ["año, ñandú – “sí”"];
    let windows = encoding_rs::WINDOWS_1252.encode("texto\n\"año, ñandú – “sí”\"\n").0.into_owned();
    assert_eq!(read("a.csv", &windows).unwrap().texts("texto").unwrap(), expected);
    for big in [false, true] {
        let mut utf16 = Vec::new();
        for unit in "\u{feff}texto\n\"año, ñandú – “sí”\"\n".encode_utf16() {
            utf16.extend(if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
        }
        assert_eq!(read("a.csv", &utf16).unwrap().texts("texto").unwrap(), expected);
    }
}

#[test]
fn one_broken_byte_does_not_spoil_the_accents_of_utf8() {
    let bytes = [b"texto\n".as_slice(), "año ñandú".as_bytes(), b" \xff\n"].concat();
    assert_eq!(read("a.csv", &bytes).unwrap().texts("texto").unwrap(), ["año ñandú \u{fffd}"]);
}

#[test]
fn two_encodings_in_one_file_are_each_read_right() {
    let windows = encoding_rs::WINDOWS_1252.encode("año viejo\nseñora\n").0.into_owned();
    let bytes = [b"texto\n".as_slice(), "ñandú\nsin nada\n".as_bytes(), &windows, "después".as_bytes()].concat();
    let expected = ["ñandú", "sin nada", "año viejo", "señora", "después"];
    assert_eq!(read("a.csv", &bytes).unwrap().texts("texto").unwrap(), expected);
}

#[test]
fn parquet_with_lists_dates_and_nulls_can_be_looked_at() {
    use polars::prelude::{DataType, IntoColumn, ListChunked, NewChunkedArray, Series, TimeUnit};
    let words: Series = super::texts("", [Some("drama"), Some("risa")].into_iter()).as_materialized_series().clone();
    let lists: ListChunked = [Some(words), None].into_iter().collect();
    let mut lists = lists.into_column();
    lists.rename("generos".into());
    let days = polars::prelude::Int32Chunked::from_iter_options("fecha".into(), [Some(19_000), None].into_iter());
    let days = days.into_column().cast(&DataType::Date).unwrap();
    let times = days.cast(&DataType::Datetime(TimeUnit::Milliseconds, None)).unwrap().with_name("hora".into());
    let small = polars::prelude::Int32Chunked::from_iter_options("voto".into(), [Some(-1), Some(1)].into_iter());
    let small = small.into_column().cast(&DataType::Int8).unwrap();
    let nothing = super::texts("nada", [None, None].into_iter());
    let mut frame = frame(vec![lists, days, times, small, nothing]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
    let table = Table::read(&path.to_string_lossy()).unwrap();
    let shown = table.to_string();
    assert!(shown.contains("2022-01-08") && shown.contains("drama"), "{shown}");
    let found = table.describe().unwrap();
    assert_eq!(found.column("generos").unwrap().missing, 1);
    assert_eq!((found.column("nada").unwrap().missing, found.column("voto").unwrap().min), (2, -1.0));
    assert_eq!(table.strings("fecha").unwrap(), [Some("2022-01-08".to_string()), None]);
    match table.texts("generos") {
        Ok(texts) => assert!(texts[0].contains("drama")),
        Err(error) => assert!(error.to_string().contains("generos"), "{error}"),
    }
    let csv = folder.path().join("a.csv").to_string_lossy().into_owned();
    let jsonl = folder.path().join("a.jsonl").to_string_lossy().into_owned();
    table.save(&csv).unwrap();
    table.save(&jsonl).unwrap();
    assert_eq!(Table::read(&jsonl).unwrap().columns(), table.columns());
    assert_eq!(Table::read(&csv).unwrap().height(), 2);
    assert!(table.save(&folder.path().join("a.xlsx").to_string_lossy()).unwrap_err().to_string().contains(".parquet"));
}

#[test]
fn objects_within_rows_are_opened_into_columns() {
    let lines = "{\"t\":\"a\",\"autor\":{\"nombre\":\"Ana\",\"edad\":30,\"redes\":[\"x\"]}}\n{\"t\":\"b\"}\n{\"t\":\"c\",\"autor\":{\"nombre\":\"7\",\"edad\":null}}";
    let table = table("a.jsonl", lines);
    let open = table.unnest("autor").unwrap();
    assert_eq!(open.columns(), ["t", "autor.edad", "autor.nombre", "autor.redes"]);
    assert_eq!(open.numbers("autor.edad").unwrap(), [Some(30.0), None, None]);
    assert_eq!(open.strings("autor.nombre").unwrap(), [Some("Ana".to_string()), None, Some("7".into())]);
    assert_eq!(open.texts("autor.redes").unwrap(), ["[\"x\"]"]);
    assert!(table.unnest("t").unwrap_err().to_string().contains(" 0 "));
}

#[test]
fn the_last_line_need_not_end() {
    for text in ["a,b\n1,x", "a,b\n1,\"x\"", "a,b\r\n1,x\r\n"] {
        assert_eq!(table("a.csv", text).strings("b").unwrap(), [Some("x".to_string())], "{text:?}");
    }
    assert_eq!(table("a.csv", "a,b\n1,").strings("b").unwrap(), [None]);
}

#[test]
fn rows_of_another_width_are_counted() {
    let text = told("a.csv", b"a,b\n1,2\n2,y,z\n3,4\n5,6,7,8\n");
    assert!(text.contains("2 ") && text.contains("4 ") && text.contains(": 3, 5"), "{text}");
}

#[test]
fn json_lines_keep_the_order_of_columns_and_the_kinds_of_values() {
    let lines = "{\"texto\":\"a\",\"n\":1,\"x\":\"7\"}\n\n{\"n\":2.5,\"texto\":null,\"chat\":[{\"rol\":\"yo\"}]}\n";
    for (name, text) in [("a.jsonl", lines.to_string()), ("a.ndjson", lines.to_string()), ("sin_nombre", lines.into())]
    {
        let table = table(name, &text);
        assert_eq!(table.columns(), ["texto", "n", "x", "chat"]);
        assert_eq!(table.dataframe().column("n").unwrap().dtype(), &DataType::Float64);
        assert_eq!(table.texts("x").unwrap(), ["7"]);
        assert_eq!(table.texts("chat").unwrap(), ["[{\"rol\":\"yo\"}]"]);
        assert_eq!(table.texts("texto").unwrap(), ["a"]);
    }
}

#[test]
fn a_json_list_of_objects_is_a_table_and_one_object_is_not() {
    let list = table("a.json", "[\n {\"texto\": \"uno\"},\n {\"texto\": \"dos\"}\n]");
    assert_eq!(list.texts("texto").unwrap(), ["uno", "dos"]);
    assert_eq!(table("a.json", "[\"uno\", \"dos\"]").texts(&text_column()).unwrap(), ["uno", "dos"]);
    let text = told("a.json", b"{\n \"version\": 1,\n \"data\": []\n}");
    assert!(text.contains("version, data"), "{text}");
    let text = told("a.json", b"[\n {\"a\": 1},\n {\"a\" 2}\n]");
    assert!(text.contains(" 3"), "{text}");
}

#[test]
fn a_broken_json_line_is_named_by_number() {
    let text = told("a.jsonl", b"{\"a\":1}\n{\"a\":2\n{\"a\":3}\n[1]\n");
    assert!(text.contains(": 2, 4") && text.contains("{\"a\":2"), "{text}");
}

#[test]
fn text_is_a_row_per_paragraph_or_per_line() {
    let column = text_column();
    let verses = table("a.txt", "uno\ndos\n\ntres\n \n\ncuatro");
    assert_eq!(verses.texts(&column).unwrap(), ["uno\ndos", "tres", "cuatro"]);
    assert_eq!(table("a.md", "uno\r\ndos\r\n").texts(&column).unwrap(), ["uno", "dos"]);
    assert_eq!(table("a.log", "Hola, amigo.\nAdiós.\n").texts(&column).unwrap(), ["Hola, amigo.", "Adiós."]);
    assert_eq!(table("datos", "texto,n\nhola,1\n").columns(), ["texto", "n"]);
}

#[test]
fn parquet_is_read_under_any_name_and_a_cut_one_is_an_error() {
    let mut frame = table("a.csv", "texto,n\nhola,1\nadiós,2\n").frame;
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    for name in ["a.parquet", "a.dat"] {
        assert_eq!(read(name, &bytes).unwrap().texts("texto").unwrap(), ["hola", "adiós"]);
    }
    for cut in [4, bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(kind("a.parquet", &bytes[..cut]), ErrorKind::BadData);
    }
    assert_eq!(kind("a.parquet", b"a,b\n1,2\n"), ErrorKind::BadData);
}

#[test]
fn a_file_that_is_not_there_names_the_folder_and_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("recetas.csv"), "a\n1\n").unwrap();
    let at = |name: &str| Table::read(&folder.path().join(name).to_string_lossy()).unwrap_err();
    let here = std::env::current_dir().unwrap().display().to_string();
    let error = at("receta.csv");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("recetas.csv") && error.to_string().contains(&here), "{error}");
    assert!(at("otra/recetas.csv").to_string().contains("otra"));
    let home = Table::read("~/recetas.csv").unwrap_err().to_string();
    assert!(home.contains("\"~\"") || home.contains("«~»"), "{home}");
    let error = Table::read(&folder.path().to_string_lossy()).unwrap_err();
    assert!(error.to_string().contains("recetas.csv") && error.kind() == ErrorKind::BadData);
}

#[test]
fn what_is_no_table_is_named() {
    assert!(told("a.csv", b"").contains("0 bytes"));
    assert!(told("a.csv", b"\x89PNG\r\n\x1a\n....").contains("PNG"));
    assert!(told("a.csv", b"PK\x03\x04 .... xl/workbook.xml").contains(".xlsx"));
    assert!(told("a.csv", b"PK\x03\x04 ....").contains("ZIP"));
    assert!(told("a.txt", b"%PDF-1.7 ...").contains("PDF"));
    assert!(told("a.csv", b"a,b\n1,\0\0\0\n").contains("binar"));
    assert!(
        told("a.csv", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n").contains("git lfs pull")
    );
    for (name, text) in [("a.csv", "a,b\n"), ("a.csv", "\n\n"), ("a.jsonl", "\n"), ("a.json", "[]"), ("a.txt", " \n\n")]
    {
        assert_eq!(kind(name, text.as_bytes()), ErrorKind::BadData, "{name} {text:?}");
    }
}

#[test]
fn a_column_that_is_not_there_lists_the_others_and_the_nearest() {
    let error = table("a.csv", "texto,etiqueta\nhola,1\n").texts("Textos").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    assert!(text.contains("texto, etiqueta") && text.lines().last().unwrap().contains("texto"), "{text}");
}

#[test]
fn rows_without_text_are_left_out_and_a_column_without_any_is_an_error() {
    let table = table("a.csv", "texto,n,vacía\nhola,1,\n,2,\n\"  \",3,\nadiós,4,\n");
    assert_eq!(table.texts("texto").unwrap(), ["hola", "adiós"]);
    assert_eq!(table.texts("n").unwrap(), ["1", "2", "3", "4"]);
    assert_eq!(table.texts("vacía").unwrap_err().kind(), ErrorKind::BadData);
}

#[test]
fn a_table_shows_its_size_its_types_and_ten_rows() {
    let rows: String = (0..2_000).map(|i| format!("fila {i},{i}\n")).collect();
    let table = table("a.csv", &format!("texto,n\n{rows}"));
    let shown = table.to_string();
    assert_eq!(shown.lines().count(), 12);
    assert!(shown.contains("000") && shown.contains("texto: "), "{shown}");
    assert_eq!(table.head(3).height(), 3);
    assert_eq!(table.head(3).to_string().lines().count(), 5);
    table.evcxr_display();
}

#[test]
fn a_hundred_thousand_rows_are_read_whole_from_csv_and_jsonl() {
    let folder = tempfile::tempdir().unwrap();
    let text = "La niña comió pan con queso, y después durmió. ".repeat(4);
    let (mut csv, mut jsonl) = (String::from("id,texto,etiqueta\n"), String::new());
    for i in 0..100_000 {
        csv += &format!("{i},\"{text}\",{}\n", i % 3);
        jsonl += &format!("{{\"id\":{i},\"texto\":\"{text}\",\"etiqueta\":{}}}\n", i % 3);
    }
    for (name, content) in [("a.csv", csv), ("a.jsonl", jsonl)] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let started = Instant::now();
        let table = Table::read(&path.to_string_lossy()).unwrap();
        println!("{name}: {} rows in {:.2} s", table.height(), started.elapsed().as_secs_f64());
        assert_eq!(table.texts("texto").unwrap().len(), 100_000);
    }
}

#[test]
fn a_first_row_of_data_stays_a_row_unless_the_reader_says_that_it_is_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv").to_string_lossy().into_owned();
    std::fs::write(&path, "Muy bueno;pos\nMuy malo;neg\nRegular;pos\n").unwrap();
    let table = Table::read(&path).unwrap();
    assert_eq!((table.height(), table.width()), (3, 2));
    assert_eq!(
        table.columns(),
        ["columna_1", "columna_2"].map(|name| name.replace("columna", &tr!("columna", "column")))
    );
    assert_eq!(table.texts(&table.columns()[0]).unwrap()[0], "Muy bueno");
    let named = Table::read_with_header(&path).unwrap();
    assert_eq!((named.height(), named.columns()), (2, vec!["Muy bueno".to_string(), "pos".to_string()]));
    std::fs::write(&path, "texto;etiqueta\nMuy bueno;pos\n").unwrap();
    assert_eq!(Table::read(&path).unwrap().columns(), ["texto", "etiqueta"]);
    assert_eq!(Table::read_without_header(&path).unwrap().height(), 2);
}

#[test]
fn a_file_may_end_without_a_line_end_in_any_field() {
    for text in ["texto,n\nhola,1", "texto\n\"hola\"", "n,texto\n1,\"hola\"", "texto\nhola"] {
        assert_eq!(table("a.csv", text).texts("texto").unwrap(), ["hola"], "{text}");
    }
}

/// Seen on the stock kernel: a schema that one cell's polars kept hides the columns from the next cell's.
#[test]
fn no_step_leaves_a_schema_of_polars_behind() {
    let one = table("a.csv", "texto,n\nhola,1\nadiós,2\n");
    let steps = [
        one.head(1),
        one.tail(1),
        one.filter("n", "1").unwrap(),
        one.select(&["n"]).unwrap(),
        one.sort("n", true).unwrap(),
        one.rename("n", "m").unwrap(),
        one.append(&one).unwrap(),
        one.sample(1, 42).unwrap(),
    ];
    one.dataframe().schema();
    for table in steps.iter().chain([&one]) {
        assert!(table.frame.cached_schema().is_none(), "{table}");
    }
    one.frame.schema();
    assert!(one.dataframe().cached_schema().is_none() && one.head(1).frame.cached_schema().is_none());
}

#[test]
fn the_column_of_a_text_file_is_found_in_either_language() {
    let lines = table("a.txt", "uno\ndos\n");
    assert_eq!(lines.texts("texto").unwrap(), lines.texts("text").unwrap());
    assert!(lines.texts("texts").is_err());
    assert!(table("a.csv", "texto,n\nhola,1\n").texts("text").is_err());
}

#[test]
fn complete_rows_keep_texts_beside_their_labels() {
    let all = table("a.csv", "texto,etiqueta,n\nuno,a,1\n,b,2\ntres,,3\n  ,c,4\ncinco,d,\n");
    // Apart, each column drops rows of its own, and what is left no longer fits together.
    assert_eq!(all.texts("texto").unwrap(), ["uno", "tres", "cinco"]);
    assert_eq!(all.texts("etiqueta").unwrap(), ["a", "b", "c", "d"]);
    let complete = all.complete_rows(&["texto", "etiqueta"]).unwrap();
    assert_eq!(complete.texts("texto").unwrap(), ["uno", "cinco"]);
    assert_eq!(complete.texts("etiqueta").unwrap(), ["a", "d"]);
    assert_eq!(complete.complete_rows(&["texto", "etiqueta"]).unwrap().height(), 2, "nothing to leave out");
    assert_eq!(all.complete_rows(&["n"]).unwrap().height(), 4, "numbers count too");
    assert_eq!(all.complete_rows(&["textos"]).unwrap_err().kind(), ErrorKind::NotFound);
    let none = table("a.csv", "texto,etiqueta\nuno,\n,b\n").complete_rows(&["texto", "etiqueta"]).unwrap_err();
    assert!(none.kind() == ErrorKind::BadData && none.to_string().contains("etiqueta: 1"), "{none}");
}
