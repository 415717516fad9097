package main

import (
	"context"
	"time"
	"usher/issuer"
	"usher/issuer/keyring"
)

// keyStatus returns the keys of the keyring with what is said of them.
func keyStatus(ctx context.Context, l *live) ([]keyRow, *keyring.State, error) {
	rows, state, err := keyRows(l.cfg, time.Now())
	if err != nil {
		return nil, nil, err
	}
	reports, err := l.reports(ctx)
	if err != nil {
		return nil, nil, err
	}
	r, err := l.rotator(func(string) {}, 0, false)
	if err != nil {
		return nil, nil, err
	}
	for i := range rows {
		row := &rows[i]
		row.Live = liveOf(row.PublicKey, reports, time.Now())
		if row.State == issuer.StateRetired {
			row.Live.Because = []string{"it is retired"}
			continue
		}
		because, err := r.Blockers(ctx, state, state.Entry(row.PublicKey))
		if err != nil {
			because = []string{"could not be looked at: " + err.Error()}
		}
		row.Live.Because, row.Live.Safe = because, len(because) == 0
	}
	return append(rows, notHeld(rows, reports)...), state, nil
}
