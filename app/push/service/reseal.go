package service

import (
	"context"
	"log/slog"
	"time"

	apipush "usher/api/push"
)

// When headers are sealed again: after a change of the keyring at once, since a key that was
// removed is soon forgotten; and now and then, because a replica that had an older keyring may
// have sealed one since.
const (
	resealUnloaded = time.Second // until the directory is loaded
	resealFailed   = 30 * time.Second
	resealAgain    = 10 * time.Minute
	resealing      = time.Minute // for all of them
)

// KeyringChanged says that the keyring has changed. It does not block.
func (i *Inside) KeyringChanged() {
	if i == nil {
		return
	}
	select {
	case i.keyring <- struct{}{}:
	default:
	}
}

// resealHeaders keeps authorization headers sealed for the keys of the keyring.
func (i *Inside) resealHeaders(ctx context.Context) {
	var last string // error, which is logged once
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-i.keyring:
		}
		timer.Reset(i.reseal(ctx, &last))
	}
}

// reseal returns when to do it again.
func (i *Inside) reseal(ctx context.Context, last *string) time.Duration {
	if i.cfg.Snapshot() == nil {
		return resealUnloaded
	}
	limited, cancel := context.WithTimeout(ctx, resealing)
	defer cancel()
	n, err := apipush.Reseal(limited, i.cfg.Store, i.box)
	if n > 0 {
		i.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "authorization headers of pushes are sealed for the keys of the keyring", slog.Int("headers", n))
	}
	if err == nil {
		*last = ""
		return resealAgain
	}
	if text := err.Error(); text != *last && ctx.Err() == nil {
		*last = text
		i.cfg.Log.LogAttrs(ctx, slog.LevelError, "cannot seal authorization headers of pushes for the keys of the keyring; usher tries again",
			slog.String("error", text), slog.String("hint", "a header that no key opens is lost: rotate it (usher subscription push rotate), and give the receiver the new one"))
	}
	return resealFailed
}
