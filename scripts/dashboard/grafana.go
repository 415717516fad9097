package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

type object = map[string]any

// Sizes in Grafana's grid.
const (
	columns     = 24
	heightChart = 8
	heightStat  = 4
)

// colours are those of series that mean the same in every panel.
func colours() map[string]string {
	return map[string]string{
		"granted": "#73BF69", "denied": "#F2495C", "unavailable": "#B877D9", "shed": "#FADE2A", "malformed": "#FF9830",
		"delivered": "#73BF69", "p50": "#5794F2", "p90": "#FADE2A", "p99": "#F2495C",
	}
}

// grafanaJSON returns the dashboard as Grafana imports it.
func grafanaJSON(rows []row) ([]byte, error) {
	var panels []object
	x, y, height := 0, 0, 0
	place := func(w, h int) object {
		if x+w > columns || (x > 0 && h != height) {
			x, y = 0, y+height
		}
		at := object{"x": x, "y": y, "w": w, "h": h}
		x, height = x+w, h
		return at
	}
	id := 0
	next := func() int { id++; return id }
	for _, r := range rows {
		if x > 0 {
			x, y = 0, y+height
		}
		panels = append(panels, object{"id": next(), "type": "row", "title": r.title, "collapsed": false, "gridPos": place(columns, 1), "panels": []any{}})
		for i := range r.panels {
			p := &r.panels[i]
			h := heightChart
			if p.stat {
				h = heightStat
			}
			panels = append(panels, grafanaPanel(p, next(), place(p.wide, h)))
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(object{
		"uid": "usher", "title": "usher", "description": "The auth callout service for NATS. Made by scripts/dashboard; edit that.",
		"tags": []string{"nats", "usher"}, "schemaVersion": 39, "version": 1, "editable": true, "graphTooltip": 1,
		"refresh": "30s", "time": object{"from": "now-3h", "to": "now"}, "timezone": "",
		"templating": object{"list": variables()}, "panels": panels,
	})
	return out.Bytes(), err
}

func variables() []object {
	choice := func(name, label, definition string) object {
		return object{
			"name": name, "label": label, "type": "query", "datasource": datasource(), "definition": definition,
			"query": object{"query": definition, "refId": "Variables"}, "refresh": 2, "sort": 1,
			"multi": true, "includeAll": true, "allValue": ".*", "current": object{"text": []string{"All"}, "value": []string{"$__all"}},
		}
	}
	return []object{
		{"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": object{}},
		choice("job", "Job", "label_values(usher_build_info, job)"),
		choice("instance", "Instance", `label_values(usher_build_info{job=~"$job"}, instance)`),
	}
}

func datasource() object { return object{"type": "prometheus", "uid": "${datasource}"} }

func grafanaPanel(p *panel, id int, at object) object {
	var targets []object
	for i, q := range p.queries {
		t := object{"refId": string(rune('A' + i)), "datasource": datasource(), "expr": q.expr, "legendFormat": q.legend}
		if p.stat {
			t["instant"] = true
		} else {
			t["range"] = true
		}
		if q.exemplar {
			t["exemplar"] = true
		}
		targets = append(targets, t)
	}
	defaults := object{"unit": p.unit, "min": 0, "color": object{"mode": "palette-classic"}}
	if p.stat {
		defaults["color"] = object{"mode": "thresholds"}
		defaults["thresholds"] = object{"mode": "absolute", "steps": thresholds(p)}
		defaults["noValue"] = "0"
	} else {
		defaults["custom"] = style(p)
	}
	out := object{
		"id": id, "title": p.title, "description": p.about, "gridPos": at, "datasource": datasource(), "targets": targets,
		"fieldConfig": object{"defaults": defaults, "overrides": overrides(p)},
	}
	if p.stat {
		out["type"] = "stat"
		out["options"] = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "value", "graphMode": "none"}
	} else {
		out["type"] = "timeseries"
		out["options"] = object{"tooltip": object{"mode": "multi", "sort": "desc"}, "legend": object{"displayMode": "list", "placement": "bottom"}}
	}
	return out
}

func style(p *panel) object {
	s := object{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false}
	if p.stacked {
		s["fillOpacity"] = 40
		s["stacking"] = object{"mode": "normal"}
	}
	return s
}

// thresholds colour a stat: what should be none is red from one on, and parts of requests
// from some percent on.
func thresholds(p *panel) []object {
	green := object{"color": "green", "value": nil}
	switch {
	case strings.HasPrefix(p.title, "Down"):
		return []object{green, {"color": "red", "value": 1}}
	case p.unit == unitShare:
		return []object{green, {"color": "orange", "value": 0.05}, {"color": "red", "value": 0.2}}
	case p.unit == unitSeconds:
		return []object{green, {"color": "orange", "value": 0.5}, {"color": "red", "value": 1}}
	}
	return []object{green}
}

// overrides gives series their colours.
func overrides(p *panel) []object {
	all := []object{}
	if p.stat {
		return all
	}
	var text strings.Builder
	for _, q := range p.queries {
		text.WriteString(q.legend + " ")
	}
	names := []string{"granted", "denied", "unavailable", "shed", "malformed", "delivered", "p50", "p90", "p99"}
	for _, name := range names {
		if !strings.Contains(text.String(), "{{outcome}}") && !strings.Contains(text.String(), name) {
			continue
		}
		all = append(all, object{
			"matcher":    object{"id": "byName", "options": name},
			"properties": []object{{"id": "color", "value": object{"mode": "fixed", "fixedColor": colours()[name]}}},
		})
	}
	return all
}

// ruleFile returns the queries as recording rules, so that promtool can check them.
func ruleFile(rows []row) []byte {
	var out bytes.Buffer
	out.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	n := 0
	for _, r := range rows {
		for _, p := range r.panels {
			for _, q := range p.queries {
				n++
				fmt.Fprintf(&out, "      - {record: 'query:%d', expr: '%s'}\n", n, strings.ReplaceAll(concrete(q.expr, "5m"), "'", "''"))
			}
		}
	}
	return out.Bytes()
}

// concrete replaces the variables of Grafana.
func concrete(expr, interval string) string {
	return strings.NewReplacer("$__rate_interval", interval, "$job", ".*", "$instance", ".*").Replace(expr)
}
