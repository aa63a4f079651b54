// The course in a real browser: JupyterLab is already running at AULA_URL (the launcher starts it), Chromium is driven
// through lesson 3 and through a cell that panics. Prints one line a test and the counts; pictures go to AULA_PICTURES,
// what the page looked like when a test failed to AULA_BROKEN.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { AULA_URL, AULA_TOKEN, AULA_COURSE, AULA_PICTURES, AULA_BROKEN, AULA_CHROMIUM } = process.env;
const LESSON = "notebooks/en/03-adapt.ipynb";
const PANIC = "notebooks/en/panic.ipynb";
const MINUTE = 60_000;

let passed = 0;
let failed = 0;

async function test(title, body) {
  const start = Date.now();
  try {
    await body();
    passed += 1;
    console.log(`✓ ${title} · ${((Date.now() - start) / 1000).toFixed(1)} s`);
  } catch (error) {
    failed += 1;
    console.log(`✗ ${title}: ${error.message}`);
  }
}

function must(holds, what) {
  if (!holds) throw new Error(what);
}

/// Asks until the answer is true: a page is never as far as one thinks.
async function until(what, patience, ask) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not within ${patience / 1000} s: ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/// The place of a cell in a notebook's file, by its id.
function place(notebook, id) {
  const cells = JSON.parse(readFileSync(join(AULA_COURSE, notebook), "utf8")).cells;
  return cells.findIndex((cell) => cell.id === id);
}

async function open(page, notebook) {
  await page.goto(`${AULA_URL}/lab/tree/${notebook}?token=${AULA_TOKEN}&reset`, { timeout: 2 * MINUTE });
  await page.locator(".jp-NotebookPanel .jp-Notebook .jp-Cell").first().waitFor({ timeout: 2 * MINUTE });
  await page.locator(".jp-NotebookPanel-toolbar").first().waitFor({ timeout: MINUTE });
  // "Run all" before the kernel is known asks which kernel to take.
  await until("the kernel is there", 2 * MINUTE, async () =>
    (await page.locator(".jp-Toolbar-kernelName").first().innerText()).includes("Rust (aula)"),
  );
}

async function runAll(page) {
  await page.getByRole("menuitem", { name: "Run", exact: true }).click();
  await page.getByRole("menuitem", { name: "Run All Cells", exact: true }).click();
}

function cellOf(page, notebook, id) {
  return page.locator(".jp-Notebook .jp-Cell").nth(place(notebook, id));
}

/// What is seen of a training: its step, how much of the curve is drawn, the points of validation.
async function training(cell) {
  return await cell.evaluate((node) => {
    const bar = node.querySelector(".aula-progress progress");
    const image = node.querySelector(".jp-OutputArea img[src^='data:image/svg']");
    const svg = image === null ? "" : decodeURIComponent(image.src.slice(image.src.indexOf(",") + 1));
    const text = image !== null && image.src.includes(";base64,") ? atob(svg) : svg;
    const line = (text.match(/<polyline[^>]*points="([^"]*)"/g) ?? []).map((tag) => tag.length);
    const points = (text.match(/<circle/g) ?? []).length;
    return { step: Number(bar?.value ?? 0), of: Number(bar?.max ?? 0), line: Math.max(0, ...line), points };
  });
}

/// Ends a kernel that nobody looks at any more: the rest of a lesson would take the processors from what follows.
async function endKernels() {
  const headers = { Authorization: `token ${AULA_TOKEN}` };
  const sessions = await (await fetch(`${AULA_URL}/api/sessions`, { headers })).json();
  for (const { id } of sessions) await fetch(`${AULA_URL}/api/sessions/${id}`, { method: "DELETE", headers });
}

async function lessonThree(page) {
  await open(page, LESSON);
  const train = cellOf(page, LESSON, "fine-tune-run");
  const history = cellOf(page, LESSON, "history-show");
  await runAll(page);
  let first;
  let before;
  await test("run all reaches the training, whose bar is seen", async () => {
    first = await until("a bar with a step", 6 * MINUTE, async () => {
      const seen = await training(train);
      return seen.step > 0 && seen.line > 0 ? seen : null;
    });
    await train.scrollIntoViewIfNeeded();
    before = await train.screenshot();
  });
  await test("the bar moves and the curve grows while the cell runs", async () => {
    const later = await until("a later step, a longer line, one more point", 4 * MINUTE, async () => {
      const seen = await training(train);
      return seen.step > first.step && seen.line > first.line && seen.points > first.points ? seen : null;
    });
    const after = await train.screenshot({ path: join(AULA_PICTURES, "training.png") });
    must(!before.equals(after), "two pictures of the training are the same");
    must(later.step < later.of, `the training was over at step ${later.step}`);
  });
  await test("the stop button ends the training, and the cells after it use the variables", async () => {
    await page.locator('[data-command="notebook:interrupt-kernel"], [data-jp-item-name="interrupt"] jp-button').first().click();
    const told = await until("the history of a stopped run", MINUTE, async () => {
      const text = await history.locator(".jp-OutputArea").innerText();
      return /stopped at step \d+ of \d+/.test(text) ? text : null;
    });
    const [, step, of] = told.match(/stopped at step (\d+) of (\d+)/).map(Number);
    must(step > 0 && step < of, `stopped at ${step} of ${of}`);
    must((await train.locator(".jp-OutputArea").innerText()).includes(`stopped at step ${step} of ${of}`), "the training's cell does not say it");
    await train.scrollIntoViewIfNeeded();
    await train.screenshot({ path: join(AULA_PICTURES, "stopped.png") });
  });
}

async function panic(page) {
  await open(page, PANIC);
  await runAll(page);
  const [broken, after] = [cellOf(page, PANIC, "panic"), cellOf(page, PANIC, "after")];
  await test("a panic is an error that stops run all", async () => {
    await until("the panic's message", 2 * MINUTE, async () =>
      (await broken.locator(".jp-OutputArea").innerText()).includes("deliberate panic"),
    );
    // A cell that ran would have printed within a second; the prompt says that it never began.
    await new Promise((done) => setTimeout(done, 5_000));
    must(!(await after.locator(".jp-OutputArea").innerText()).includes("reached"), "the cell after the panic ran");
    const prompt = await after.locator(".jp-InputPrompt").first().innerText();
    must(prompt.trim() === "[ ]:", `the cell after the panic has the prompt ${prompt}`);
    await page.locator(".jp-Notebook").screenshot({ path: join(AULA_PICTURES, "failed.png") });
  });
  await test("the variables of the cells before a panic are still there", async () => {
    await after.locator(".cm-content").click();
    await page.keyboard.press("Shift+Enter");
    await until("what the last cell prints", MINUTE, async () =>
      (await after.locator(".jp-OutputArea").innerText()).includes("reached 41"),
    );
  });
}

const browser = await chromium.launch({
  executablePath: AULA_CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  for (const lesson of [lessonThree, panic]) {
    const page = await browser.newPage({ viewport: { width: 1200, height: 1000 } });
    page.setDefaultTimeout(MINUTE);
    try {
      await lesson(page);
    } catch (error) {
      failed += 1;
      console.log(`✗ ${lesson.name}: ${error.message}`);
    }
    if (failed > 0) await page.screenshot({ path: join(AULA_BROKEN, `${lesson.name}.png`) });
    await page.close();
    await endKernels();
  }
} finally {
  await browser.close();
}
console.log(`browser tests: ${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
