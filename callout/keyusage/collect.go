package keyusage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// ServiceName is the nats micro service whose statistics hold the reports.
const ServiceName = "usher"

// statsSubject is the subject on which every connection of every usher answers.
const statsSubject = "$SRV.STATS." + ServiceName

// Collect requests the reports of all ushers, and waits for them that long. nc has
// to be in the callout account. It returns one report for each process, by start
// time; none is not an error.
func Collect(ctx context.Context, nc *nats.Conn, wait time.Duration) ([]Report, error) {
	sub, err := nc.SubscribeSync(nc.NewInbox())
	if err != nil {
		return nil, fmt.Errorf("request reports: %w", err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only if the connection is closed, which ends the subscription too
	if err := nc.PublishRequest(statsSubject, sub.Subject, nil); err != nil {
		return nil, fmt.Errorf("request reports: %w", err)
	}
	collecting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	found := map[string]Report{} // by instance: each of its connections answers
	for {
		m, err := sub.NextMsgWithContext(collecting)
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("request reports: %w", ctx.Err())
		case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrNoResponders):
			return slices.SortedFunc(maps.Values(found), func(a, b Report) int {
				return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Instance, b.Instance))
			}), nil
		case err != nil:
			return nil, fmt.Errorf("request reports: %w", err)
		}
		if r, ok := decode(m.Data); ok {
			found[r.Instance] = r
		}
	}
}

// decode returns the report in nats micro statistics. Another service of the same
// name has none.
func decode(data []byte) (Report, bool) {
	var stats micro.Stats
	if json.Unmarshal(data, &stats) != nil {
		return Report{}, false
	}
	for _, e := range stats.Endpoints {
		var r Report
		if json.Unmarshal(e.Data, &r) == nil && r.Instance != "" {
			return r, true
		}
	}
	return Report{}, false
}
