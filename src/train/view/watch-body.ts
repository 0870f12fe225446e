/** What stands on the live page before its script fills it. */
import { type Html, html } from "./html.ts";

export function watchBody(folder: string): Html {
  return html`<header class="bar">
<h1>Runs</h1>
<p class="folder" title="${folder}">${folder}</p>
<span class="status" id="connection" role="status">Connecting</span>
</header>
<div class="columns">
<aside aria-label="Runs">
<div class="pick">
<input type="search" id="filter" placeholder="Filter by name" aria-label="Filter runs by name">
<button type="button" id="all">All</button><button type="button" id="none">None</button>
</div>
<ul id="runs" class="runs"></ul>
</aside>
<main>
<form id="controls" class="controls">
<fieldset><legend>Along</legend><label><input type="radio" name="axis" value="step" checked> steps</label> <label><input type="radio" name="axis" value="epoch"> epochs</label></fieldset>
<fieldset><legend>Show</legend><label><input type="checkbox" name="train" checked> training</label> <label><input type="checkbox" name="valid" checked> validation</label></fieldset>
<label><input type="checkbox" name="log"> Logarithmic</label>
<label>Smoothing <input type="range" name="smoothing" min="0" max="0.98" step="0.02" value="0"> <output>0.00</output></label>
<p class="key"><span><i></i>training</span> <span><i class="thick"></i>validation</span></p>
</form>
<p id="empty" class="empty" hidden></p>
<div id="charts" class="charts"></div>
<section id="comparison" aria-labelledby="comparison-title" hidden>
<h2 id="comparison-title">Comparison</h2>
<p class="note">Of each run's best epoch. Of the settings, those in which the chosen runs differ.</p>
<div class="scroll" tabindex="0"><table><thead><tr id="head"></tr></thead><tbody id="rows"></tbody></table></div>
</section>
</main>
</div>`;
}
