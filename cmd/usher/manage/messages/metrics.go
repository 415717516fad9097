package messages

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"usher/api/client"
	"usher/api/wire"
	"usher/cmd/usher/remote"
)

// metrics are the values of a list of metrics, by name.
type metrics map[string]wire.Timepoint

func metricsOf(l *wire.MetricList) metrics {
	m := metrics{}
	for i := range l.Metrics {
		if points := l.Metrics[i].Timeseries; len(points) > 0 {
			m[l.Metrics[i].Metric] = points[0]
		}
	}
	return m
}

func (m metrics) number(name string) int64 {
	n, _ := m[name].Value.(float64) // as package json decodes numbers
	return int64(n)
}

func (m metrics) time(name string) time.Time {
	text, _ := m[name].Value.(string)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// when returns a time, and how long before the answer it was, by the clock of the server.
func (m metrics) when(name string) string {
	at := m.time(name)
	if at.IsZero() {
		return ""
	}
	return remote.FormatTime(at) + " (" + age(m[name].Timestamp.Sub(at)) + " ago)"
}

// age returns a duration in its largest whole unit.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%dd", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return fmt.Sprintf("%ds", max(0, d/time.Second))
	}
}

// whyNot returns why the API does not tell about messages. An error that is not of the API is
// returned as it is.
func whyNot(err error) (reason string, other error) {
	var refused *client.Error
	switch {
	case !errors.As(err, &refused):
		return "", err
	case refused.Code == http.StatusForbidden:
		return "not shown: the user of this key may not see them", nil
	default:
		return "not known: " + refused.Message, nil
	}
}

// line is one line of an item.
type line struct{ name, value string }

// lines are the columns of an item that has no others.
func lines(all []line) []remote.Column[struct{}] {
	var out []remote.Column[struct{}]
	for _, l := range all {
		out = append(out, remote.Column[struct{}]{Name: l.name, Value: func(*struct{}) string { return l.value }})
	}
	return out
}

// printLines prints columns of an item, and lines after them.
func printLines[T any](r *remote.Session, columns []remote.Column[T], item *T, more []line) error {
	var all []line
	for _, c := range columns {
		all = append(all, line{c.Name, c.Value(item)})
	}
	return remote.PrintItem(r.CLI.App.Writer, lines(append(all, more...)), &struct{}{})
}
