package main

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strings"
	"time"
)

// Sizes of the page in pixels.
const (
	pageWidth  = 1500
	gap        = 8
	chartHigh  = 160
	statHigh   = 96
	chartLeft  = 58
	chartRight = 12
)

const pageHead = `<!doctype html><meta charset="utf-8"><title>usher</title><style>
body{margin:0;background:#111217;color:#ccccdc;font:12px/1.3 Inter,"DejaVu Sans",Helvetica,Arial,sans-serif;width:%dpx;padding:12px}
h1{font-size:18px;margin:2px 0 10px;font-weight:500}h2{font-size:15px;font-weight:500;margin:14px 0 8px}
.row{display:flex;flex-wrap:wrap;gap:%dpx}.panel{background:#181b1f;border:1px solid #2c2f36;border-radius:3px;box-sizing:border-box;padding:7px 10px;overflow:hidden}
.title{font-weight:500;white-space:nowrap}.value{font-size:34px;text-align:center;padding-top:12px;font-weight:500}
.legend{display:flex;flex-wrap:wrap;gap:1px 12px;font-size:11px;height:30px;overflow:hidden}.legend i{display:inline-block;width:11px;height:3px;border-radius:2px;margin-right:5px;vertical-align:middle}
text{fill:#8e8e9b;font-size:10.5px}.none{color:#8e8e9b;text-align:center;padding-top:60px}
</style><body>
`

// htmlPage returns the panels that have data. Rows without any are left out.
func htmlPage(rows []row, from *source) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, pageHead, pageWidth, gap)
	out.WriteString("<h1>usher</h1>\n")
	for _, r := range rows {
		var body bytes.Buffer
		drawn := 0
		for i := range r.panels {
			p := &r.panels[i]
			lines, err := from.data(p)
			if err != nil {
				return nil, err
			}
			if lines = plottable(lines); len(lines) == 0 {
				continue
			}
			drawn++
			drawPanel(&body, p, lines, from)
		}
		if drawn > 0 {
			fmt.Fprintf(&out, "<h2>⌄ %s</h2><div class=row>%s</div>\n", html.EscapeString(r.title), body.String())
		}
	}
	return out.Bytes(), nil
}

// plottable returns the lines that have a number.
func plottable(lines []series) []series {
	var out []series
	for _, l := range lines {
		var kept series
		kept.name = l.name
		for i, v := range l.values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				kept.times, kept.values = append(kept.times, l.times[i]), append(kept.values, v)
			}
		}
		if len(kept.values) > 0 {
			out = append(out, kept)
		}
	}
	return out
}

func drawPanel(out *bytes.Buffer, p *panel, lines []series, from *source) {
	width := pageWidth*p.wide/columns - gap
	high := chartHigh + 62
	if p.stat {
		high = statHigh
	}
	fmt.Fprintf(out, `<div class=panel style="width:%dpx;height:%dpx"><div class=title>%s</div>`, width, high, html.EscapeString(p.title))
	if p.stat {
		v := lines[0].values[len(lines[0].values)-1]
		fmt.Fprintf(out, `<div class=value style="color:%s">%s</div></div>`, statColour(p, v), number(v, p.unit))
		return
	}
	drawChart(out, p, lines, from, float64(width-20))
	out.WriteString("<div class=legend>")
	for i, l := range lines {
		fmt.Fprintf(out, `<span><i style="background:%s"></i>%s</span>`, colourOf(l.name, i), html.EscapeString(l.name))
	}
	out.WriteString("</div></div>\n")
}

// statColour returns the colour of the threshold that the value has reached.
func statColour(p *panel, v float64) string {
	name := "green"
	for _, t := range thresholds(p) {
		if at, ok := t["value"].(float64); ok && v >= at {
			name, _ = t["color"].(string)
		} else if at, ok := t["value"].(int); ok && v >= float64(at) {
			name, _ = t["color"].(string)
		}
	}
	return map[string]string{"green": "#73BF69", "orange": "#FF9830", "red": "#F2495C"}[name]
}

func colourOf(name string, i int) string {
	if c, ok := colours()[name]; ok {
		return c
	}
	palette := []string{"#73BF69", "#F2CC0C", "#5794F2", "#FF780A", "#B877D9", "#8AB8FF", "#FA6400", "#96D98D", "#CA95E5", "#FFB357"}
	return palette[i%len(palette)]
}

func drawChart(out *bytes.Buffer, p *panel, lines []series, from *source, width float64) {
	begin, end := float64(from.now.Add(-from.span).Unix()), float64(from.now.Unix())
	below := make([]map[float64]float64, len(lines)) // what a line stands on, by time
	highest, sums := 0.0, map[float64]float64{}
	for i, l := range lines {
		below[i] = map[float64]float64{}
		for j, v := range l.values {
			if p.stacked {
				below[i][l.times[j]] = sums[l.times[j]]
				sums[l.times[j]] += v
				v = sums[l.times[j]]
			}
			highest = max(highest, v)
		}
	}
	tick := niceTick(highest, p.unit)
	top := tick * math.Max(1, math.Ceil(highest/tick))
	const low, high = chartHigh - 18.0, 8.0
	x := func(at float64) float64 { return chartLeft + (at-begin)/(end-begin)*(width-chartLeft-chartRight) }
	y := func(v float64) float64 { return low - v/top*(low-high) }
	fmt.Fprintf(out, `<svg width="%.0f" height="%d">`, width, chartHigh)
	for v := 0.0; v <= top*1.001; v += tick {
		fmt.Fprintf(out, `<path d="M%d %.1fH%.1f" stroke="#25282e"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`, chartLeft, y(v), width-chartRight, chartLeft-6, y(v)+4, number(v, p.unit))
	}
	for at := math.Ceil(begin/60) * 60; at <= end; at += 60 {
		fmt.Fprintf(out, `<path d="M%.1f %.1fV%.1f" stroke="#25282e"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(at), low, high, x(at), chartHigh-3, time.Unix(int64(at), 0).UTC().Format("15:04"))
	}
	for i, l := range lines {
		var upper, lower strings.Builder
		for j, at := range l.times {
			base := below[i][at]
			fmt.Fprintf(&upper, "%.1f,%.1f ", x(at), y(base+l.values[j]))
			back := l.times[len(l.times)-1-j]
			fmt.Fprintf(&lower, "%.1f,%.1f ", x(back), y(below[i][back]))
		}
		opacity := 0.08
		if p.stacked {
			opacity = 0.4
		}
		c := colourOf(l.name, i)
		fmt.Fprintf(out, `<polygon points="%s%s" fill="%s" fill-opacity="%.2f"/><polyline points="%s" fill="none" stroke="%s" stroke-width="1.4"/>`, upper.String(), lower.String(), c, opacity, upper.String(), c)
	}
	out.WriteString("</svg>")
}

// niceTick returns the distance of lines, of which there are four or so.
func niceTick(highest float64, unit string) float64 {
	switch {
	case highest <= 0, unit == unitCount && highest <= 4:
		return 1
	case unit == unitBytes && highest > 4<<20:
		return niceTick(highest/(1<<20), "") * (1 << 20)
	}
	exact := highest / 4
	power := math.Pow(10, math.Floor(math.Log10(exact)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if m*power >= exact {
			return m * power
		}
	}
	return 10 * power
}

// number writes a value in a unit of Grafana.
func number(v float64, unit string) string {
	switch {
	case unit == unitShare:
		return trim(v*100) + " %"
	case unit == unitSeconds && v == 0:
		return "0 s"
	case unit == unitSeconds && v < 1e-3:
		return trim(v*1e6) + " µs"
	case unit == unitSeconds && v < 1:
		return trim(v*1e3) + " ms"
	case unit == unitSeconds:
		return trim(v) + " s"
	case unit == unitBytes && v >= 1<<20:
		return trim(v/(1<<20)) + " MiB"
	case unit == unitBytes && v >= 1<<10:
		return trim(v/(1<<10)) + " KiB"
	case unit == unitBytes:
		return trim(v) + " B"
	case v >= 10_000:
		v, unit = v/1000, unit+"k"
	}
	text := trim(v)
	if strings.HasSuffix(unit, "k") {
		text += " k"
	}
	if strings.HasPrefix(unit, unitRate) || strings.HasPrefix(unit, unitPerSec) {
		text += "/s"
	}
	return text
}

// trim writes a number with three digits or so.
func trim(v float64) string {
	digits := 0
	switch {
	case v == math.Trunc(v):
	case v < 1:
		digits = 2
	case v < 100:
		digits = 1
	}
	return fmt.Sprintf("%.*f", digits, v)
}
