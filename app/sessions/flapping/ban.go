package flapping

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"usher/directory"
	"usher/directory/lockout"
	"usher/directory/snapshot"
)

// Run makes bans until ctx ends.
func (d *Detector) Run(ctx context.Context) {
	if d == nil {
		return
	}
	for {
		select {
		case source := <-d.found:
			d.ban(ctx, source)
		case <-ctx.Done():
			return
		}
	}
}

func (d *Detector) ban(ctx context.Context, source directory.BanTarget) {
	ctx, cancel := context.WithTimeout(ctx, banTimeout)
	defer cancel()
	now := d.cfg.Now().UTC().Truncate(time.Second)
	b := directory.Ban{
		Target: source, By: directory.BanByUsher, Created: now, Until: now.Add(d.cfg.BanFor),
		Reason: fmt.Sprintf("flapping: more than %d connects within %s%s", d.cfg.Connects, d.cfg.Within, d.holder(&source)),
	}
	id := "flapping-" + source.DefaultID() // the same at every replica
	log := []slog.Attr{slog.String("ban", id), slog.String("of", source.String()), slog.String("reason", b.Reason)}
	if err := d.put(ctx, id, &b); err != nil {
		d.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "cannot ban a source that flaps", append(log, slog.String("error", err.Error()))...)
		return
	}
	d.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "banned a source that flaps", append(log, slog.Time("until", b.Until))...)
}

// holder says whose credential a source is, as a digest tells nobody; empty: it is no key of
// the directory.
func (d *Detector) holder(source *directory.BanTarget) string {
	s := d.cfg.Snapshot()
	if s == nil || source.Kind() != directory.BanOfDigest {
		return ""
	}
	rec, ok := s.LookupKey(source.Digest)
	if !ok {
		return ""
	}
	return ", with key " + rec.Key.ID + " of user " + rec.User.Name
}

var errLockout = errors.New("no service_admin could connect")

// put makes a ban, unless the same one is in force.
func (d *Detector) put(ctx context.Context, id string, b *directory.Ban) error {
	_, err := d.cfg.Change(ctx, func(s *snapshot.Snapshot) ([]directory.Entry, error) {
		if old, ok := s.Bans().Find(id); ok && old.InForce(b.Created) {
			return nil, nil
		}
		own := *b
		change := directory.Put(directory.BanKey(id), &own)
		if lockout.By(s, change, b.Created) {
			return nil, errLockout
		}
		return change, nil
	})
	return err
}
