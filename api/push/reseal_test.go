package push_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"usher/api/push"
	"usher/callout/callouttest"
	"usher/directory"
	"usher/directory/snapshot"
)

func TestMain(m *testing.M) { callouttest.VerifyTestMain(m) }

// keys seals by writing the names of its keys before the value.
type keys struct{ names string }

func (k *keys) Seal(_ context.Context, text []byte, place string) ([]byte, error) {
	return []byte(k.names + "|" + place + "|" + string(text)), nil
}

func (k *keys) Open(_ context.Context, sealed []byte, place string) ([]byte, error) {
	parts := bytes.SplitN(sealed, []byte("|"), 3)
	if !bytes.ContainsAny(parts[0], k.names) || string(parts[1]) != place {
		return nil, errors.New("sealed elsewhere")
	}
	return parts[2], nil
}

func (k *keys) Fresh(sealed []byte) bool { return bytes.HasPrefix(sealed, []byte(k.names+"|")) }

// Headers survive the replacement of a key; one that cannot be opened stays as it is.
func TestReseal(t *testing.T) {
	store, project := callouttest.KVStore(t), directory.IDOf(directory.KindProject, "shop")
	entry := func(name, sealed string) directory.Entry {
		return directory.Entry{Key: directory.ResourceKey(directory.KindSubscription, project, name), Value: &directory.Subscription{Topic: "t", Push: &directory.Push{
			Type: directory.PushHTTP, Endpoint: "https://h.example", Authorization: &directory.PushAuthorization{Sealed: []byte(sealed)},
		}}}
	}
	b := &keys{"a"}
	_, err := store.Change(t.Context(), func(*snapshot.Snapshot) ([]directory.Entry, error) {
		return []directory.Entry{
			{Key: directory.ProjectKey(project), Value: &directory.Project{Name: "shop", Account: "APP"}},
			{Key: directory.ResourceKey(directory.KindTopic, project, "t"), Value: &directory.Topic{}},
			entry("good", "a|"+project.String()+"/good|secret"), entry("bad", "x|"+project.String()+"/bad|secret"),
		}, nil
	})
	callouttest.Must(t, err)
	b.names = "ab"
	if got := push.Stale(store.Snapshot(), b); !slices.Equal(got, []string{"shop/bad", "shop/good"}) {
		t.Error(got)
	}
	if n, err := push.Reseal(t.Context(), store, b); n != 1 || err == nil {
		t.Error(n, err)
	}
	b.names = "b"
	p, _ := store.Snapshot().Project("shop")
	sub, _ := store.Snapshot().Subscription("shop", "good")
	if header, err := push.Authorization(t.Context(), b, p, sub); header != "secret" {
		t.Error(header, err)
	}
	if n, _ := push.Reseal(t.Context(), store, b); n != 1 {
		t.Error(n)
	}
	if got := push.Stale(store.Snapshot(), b); !slices.Equal(got, []string{"shop/bad"}) {
		t.Error(got)
	}
}
