package lease

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"usher/api/push"
	"usher/directory"
)

// ID names a subscription among all, as a key of a bucket.
func ID(project *directory.Project, sub *directory.Subscription) string {
	return project.ID.String() + "." + base64.RawURLEncoding.EncodeToString([]byte(sub.Name))
}

// PutState shares how the pushes of a subscription go.
func (l *Leases) PutState(ctx context.Context, id string, s push.State) error { //nolint:gocritic // as push.States has it
	kv := l.bucket()
	if kv == nil {
		return errors.New("push.bucket is not open")
	}
	s.Worker = l.cfg.Name
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if _, err := kv.Put(ctx, statePrefix+id, text); err != nil {
		return fmt.Errorf("push.bucket: %w", err)
	}
	return nil
}

// Reader reads from a bucket how pushes go. It implements push.States.
type Reader struct {
	js     jetstream.JetStream
	bucket string
	now    func() time.Time
}

// NewReader returns a Reader of a bucket, which may not exist.
func NewReader(js jetstream.JetStream, bucket string, now func() time.Time) *Reader {
	return &Reader{js, bucket, now}
}

// counted is how old the last renewal of a worker may be for it to be listed. It allows for
// clocks that differ.
const counted = 15 * time.Second

// State implements push.States.
func (r *Reader) State(ctx context.Context, project *directory.Project, sub *directory.Subscription) (push.State, error) {
	p := sub.Push
	if p != nil && p.Type != "mattermost" && !p.Verified {
		return push.State{Status: push.StatusUnverified}, nil
	}
	inactive := push.State{Status: push.StatusInactive}
	kv, err := r.open(ctx)
	if err != nil || kv == nil {
		return inactive, err
	}
	id := ID(project, sub)
	holder, err := get(ctx, kv, leasePrefix+id)
	if err != nil || holder == nil {
		return inactive, err
	}
	worker, err := get(ctx, kv, workerPrefix+string(holder.Value()))
	if err != nil || worker == nil || !r.live(worker) {
		return inactive, err
	}
	state := push.State{Status: push.StatusActive, Worker: string(holder.Value())}
	entry, err := get(ctx, kv, statePrefix+id)
	if err != nil || entry == nil {
		return state, err
	}
	var stored push.State
	if err := json.Unmarshal(entry.Value(), &stored); err != nil {
		return state, fmt.Errorf("push.bucket: state of a subscription: %w", err)
	}
	if stored.Worker != state.Worker {
		return state, nil // of the one before
	}
	return stored, nil
}

// Workers implements push.States.
func (r *Reader) Workers(ctx context.Context) ([]string, error) {
	kv, err := r.open(ctx)
	if err != nil || kv == nil {
		return nil, err
	}
	watcher, err := kv.Watch(ctx, workerPrefix+"*", jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("push.bucket: %w", err)
	}
	defer watcher.Stop() //nolint:errcheck // the connection ends it otherwise
	var names []string
	for {
		select {
		case e, ok := <-watcher.Updates():
			if !ok || e == nil {
				slices.Sort(names)
				return names, nil
			}
			if r.live(e) {
				names = append(names, strings.TrimPrefix(e.Key(), workerPrefix))
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// open opens the bucket; nil: there is none, because no worker has ever run, or can run.
func (r *Reader) open(ctx context.Context) (jetstream.KeyValue, error) {
	kv, err := r.js.KeyValue(ctx, r.bucket)
	switch {
	case errors.Is(err, jetstream.ErrBucketNotFound), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return nil, nil //nolint:nilnil // nothing is stored, which is no error
	case err != nil:
		return nil, fmt.Errorf("push.bucket: %w", err)
	}
	return kv, nil
}

func (r *Reader) live(worker jetstream.KeyValueEntry) bool {
	return r.now().Sub(worker.Created()) < counted
}

func get(ctx context.Context, kv jetstream.KeyValue, key string) (jetstream.KeyValueEntry, error) {
	e, err := kv.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return nil, nil //nolint:nilnil // nothing is stored, which is no error
	case err != nil:
		return nil, fmt.Errorf("push.bucket: %w", err)
	}
	return e, nil
}
