package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A source is a running Prometheus that has data of usher.
type source struct {
	url  string
	span time.Duration
	now  time.Time
}

// rateInterval is that of the page. It fits a scrape interval of some seconds.
const rateInterval = "20s"

// A series is one line of a panel.
type series struct {
	name   string
	times  []float64
	values []float64
}

// steps is how many values a line has.
const steps = 150

// data returns the lines of a panel.
func (s *source) data(p *panel) ([]series, error) {
	var all []series
	for _, q := range p.queries {
		lines, err := s.query(q)
		if err != nil {
			return nil, fmt.Errorf("panel %q: %w", p.title, err)
		}
		all = append(all, lines...)
	}
	return all, nil
}

var placeholder = regexp.MustCompile(`\{\{(\w+)\}\}`)

func (s *source) query(q query) ([]series, error) {
	values := url.Values{
		"query": {concrete(q.expr, rateInterval)},
		"start": {strconv.FormatInt(s.now.Add(-s.span).Unix(), 10)}, "end": {strconv.FormatInt(s.now.Unix(), 10)},
		"step": {strconv.FormatFloat(s.span.Seconds()/steps, 'f', 1, 64)},
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.url+"/api/v1/query_range?"+values.Encode(), nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s: %s", q.expr, answer.Error)
	}
	var out []series
	for _, r := range answer.Data.Result {
		line := series{name: placeholder.ReplaceAllStringFunc(q.legend, func(p string) string { return r.Metric[placeholder.FindStringSubmatch(p)[1]] })}
		for _, v := range r.Values {
			at, ok := v[0].(float64)
			text, isText := v[1].(string)
			value, err := strconv.ParseFloat(text, 64)
			if !ok || !isText || err != nil {
				return nil, fmt.Errorf("%s: no sample: %v", q.expr, v)
			}
			line.times, line.values = append(line.times, at), append(line.values, value)
		}
		out = append(out, line)
	}
	slices.SortStableFunc(out, func(a, b series) int { return strings.Compare(a.name, b.name) })
	return out, nil
}
