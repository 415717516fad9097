package revocation

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"usher/callout/session"
	"usher/tokens"
)

// Unreachable is a session that could not be closed yet.
type Unreachable struct {
	ID    session.ID
	Cause string
	Since time.Time // when it was to be closed
	Err   error     // of the last try
}

// Status is the state of an Engine.
type Status struct {
	Closed      map[string]uint64 // sessions that this replica has closed, by cause
	Waiting     int               // sessions that are to be closed, by any replica
	Deciding    bool              // a change has not been decided about yet
	Undecided   int               // sessions about which nothing can be decided; they stay open
	Unreachable []Unreachable     // those that this replica has tried to close, oldest first
}

// Status returns the state of e.
func (e *Engine) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := Status{Closed: maps.Clone(e.closed), Waiting: len(e.pending), Deciding: e.deciding || e.changes.some(), Undecided: len(e.undecided)}
	for id, p := range e.pending {
		if p.failed > 0 {
			out.Unreachable = append(out.Unreachable, Unreachable{id, p.cause, p.since, p.err})
		}
	}
	slices.SortFunc(out.Unreachable, func(a, b Unreachable) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.ID.Server, b.ID.Server), cmp.Compare(a.ID.Client, b.ID.Client))
	})
	return out
}

// reportEvery is how often the log says what could not be closed.
const reportEvery = time.Minute

// report logs what could not be decided or closed until ctx ends.
func (e *Engine) report(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		e.reportUndecided(ctx)
		list := e.Status().Unreachable
		if len(list) == 0 {
			continue
		}
		servers := map[string]int{}
		for i := range list {
			servers[list[i].ID.Server]++
		}
		var names []string
		for _, server := range slices.Sorted(maps.Keys(servers)) {
			names = append(names, fmt.Sprintf("%s (%d)", server, servers[server]))
		}
		e.cfg.Log.LogAttrs(ctx, slog.LevelError, "sessions that are to be closed could not be closed yet; usher keeps trying",
			slog.Int("sessions", len(list)), slog.String("servers", strings.Join(names, ", ")), slog.Time("since", list[0].Since),
			slog.String("error", list[0].Err.Error()))
	}
}

// reportUndecided logs how many sessions could not be decided, by reason.
func (e *Engine) reportUndecided(ctx context.Context) {
	e.mu.Lock()
	reasons, total, since := map[string]int{}, len(e.undecided), time.Time{}
	for _, u := range e.undecided {
		reasons[u.why]++
		since = tokens.Earlier(since, u.since)
	}
	e.mu.Unlock()
	if total == 0 {
		return
	}
	var texts []string
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		texts = append(texts, fmt.Sprintf("%s (%d)", why, reasons[why]))
	}
	e.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "nothing can be decided about some sessions; they stay open, whatever has changed",
		slog.Int("sessions", total), slog.String("reasons", strings.Join(texts, ", ")), slog.Time("since", since))
}
