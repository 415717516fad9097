package permissions_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"usher/directory"
	"usher/directory/snapshot"
)

// The stream of a key-value bucket is KV_<bucket>. The admin of a project with that name
// could read and delete every key, so the name is reserved.
//
// Attack: the admin of a project called KV_x reads key-value bucket x of the account
// Held by: project names that begin with KV_ or OBJ_ are refused
func TestProjectLikeBucket(t *testing.T) {
	for name, ok := range map[string]bool{"KV_settings": false, "KV_": false, "OBJ_files": false, "KV": true, "OBJ": true, "kv_x": true, "x_KV_y": true} {
		_, err := snapshot.New(directory.Records{Projects: []directory.Project{{Name: name, Account: "APP"}}})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "is reserved: "+name[:strings.Index(name, "_")+1]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What the name would allow.
	owner := soloAdmin(t)
	for i := range owner.Rules {
		owner.Rules[i].Subject = strings.ReplaceAll(owner.Rules[i].Subject, ".shop", ".KV_settings")
	}
	s := startServer(t, map[string]*server.Permissions{"free": nil, "ann": permissionsOf(&owner)})
	_, js := connectAdmin(t, s)
	bucket, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "settings"})
	must(t, err)
	_, err = bucket.PutString(t.Context(), "key", "secret")
	must(t, err)
	m, err := connectAs(t, s, "ann").Request("$JS.API.DIRECT.GET.KV_settings.$KV.settings.key", nil, timeout)
	if err != nil || string(m.Data) != "secret" {
		t.Errorf("got %v", err)
	}
}
