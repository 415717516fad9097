package nkey

import (
	"context"
	"time"

	"usher/app/deployment"
	"usher/issuer"
	"usher/issuer/keyring"
)

// keyStatus returns the keys of the keyring with what is said of them.
func keyStatus(ctx context.Context, l *deployment.Deployment) ([]KeyRow, *keyring.State, error) {
	rows, state, err := keyRows(l.Cfg, time.Now())
	if err != nil {
		return nil, nil, err
	}
	reports, err := l.Reports(ctx)
	if err != nil {
		return nil, nil, err
	}
	r, err := l.Rotator(func(string) {}, 0, false)
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
