{
    // The same lines as a cell of a notebook and in the bench's own binary: seconds of each kind of work.
    let home = std::env::var("AULA_HOME").unwrap_or_default();
    let texts = Table::read(&format!("{home}/data/en/diary.csv"))?.texts("text")?;
    let mut model = LanguageModel::load("cuentos")?;
    let data = model.dataset(&texts, 96)?;
    let (train, valid) = data.split(0.9, 42)?;
    let config = TrainConfig { epochs: 2, batch_size: 16, ..Default::default() };
    let training = fine_tune(&mut model, &train, &valid, &config)?.seconds;
    let begin = std::time::Instant::now();
    let words = GenerateConfig { max_tokens: 100, temperature: 0.0, repetition_penalty: 1.3, ..Default::default() };
    for _ in 0..10 {
        model.generate("Day 500.", &words)?;
    }
    let generating = begin.elapsed().as_secs_f64();
    let mut reader = Classifier::new("lector", &["yes", "no"])?;
    let labels: Vec<String> = (0..texts.len()).map(|i| if i % 2 == 0 { "yes" } else { "no" }.to_string()).collect();
    let (train, valid) = reader.dataset(&texts, &labels, 64)?.split(0.9, 42)?;
    let classifying = fine_tune(&mut reader, &train, &valid, &config)?.seconds;
    let begin = std::time::Instant::now();
    let many: Vec<String> = texts.iter().cycle().take(4_000).cloned().collect();
    Embedder::load("lector")?.embed(&many)?;
    let embedding = begin.elapsed().as_secs_f64();
    println!("[{training}, {generating}, {classifying}, {embedding}]");
}
