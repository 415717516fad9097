package ams_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"usher/directory"
	"usher/directory/ams"
	"usher/directory/file"
	"usher/directory/snapshot"
	"usher/tokens"
	"usher/tokens/apikey"
)

const (
	tokenA = "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"
	tokenB = "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1"
)

// site returns a copy of the files of testdata/site.
func site(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	names, err := filepath.Glob("testdata/site/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = &fstest.MapFile{Data: data}
	}
	return files
}

func TestSite(t *testing.T) {
	result, err := ams.Read(site(t), ams.Options{Account: "APP", Accounts: map[string]string{"ARGO2": "LAB"}})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := file.Write(&got, result.Records); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"directory.yaml": got.String(), "notes.txt": strings.Join(result.Notes, "\n") + "\n"} {
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s", name, got)
		}
		if strings.Contains(got, tokenA) || strings.Contains(got, tokenB) || name == "notes.txt" && strings.Contains(got, "c2c2c2") { // the import seals the header
			t.Errorf("%s gives a secret away", name)
		}
	}
}

// TestKeysKeepWorking: users can connect with their AMS tokens.
func TestKeysKeepWorking(t *testing.T) {
	result, err := ams.Read(site(t), ams.Options{Account: "APP"})
	if err != nil {
		t.Fatal(err)
	}
	current, err := snapshot.New(result.Records)
	if err != nil {
		t.Fatal(err)
	}
	v := apikey.NewVerifier(func() *snapshot.Snapshot { return current }, func() time.Time { return time.Unix(1.8e9, 0) })
	for token, name := range map[string]string{tokenA: "UserA", tokenB: "UserB"} {
		id, err := v.Verify(t.Context(), &tokens.Credential{AuthToken: token})
		if err != nil || id.Name != name {
			t.Errorf("%s: got %+v, %v", name, id, err)
		}
	}
	if _, err := v.Verify(t.Context(), &tokens.Credential{AuthToken: strings.Repeat("0", 64)}); err == nil {
		t.Error("another token is accepted")
	}
}

func TestFaults(t *testing.T) {
	replace := func(name, old, text string) func(fstest.MapFS) {
		return func(files fstest.MapFS) {
			data := strings.Replace(string(files[name].Data), old, text, 1)
			if data == string(files[name].Data) {
				panic(name + " has no " + old)
			}
			files[name] = &fstest.MapFile{Data: []byte(data)}
		}
	}
	tests := []struct {
		name  string
		spoil func(fstest.MapFS)
		want  string
	}{
		{"no users", func(f fstest.MapFS) { delete(f, "users.json") }, "users.json: there is no such file"},
		{"an empty file", func(f fstest.MapFS) { f["users.json"] = &fstest.MapFile{} }, "users.json: is empty"},
		{"cut off", func(f fstest.MapFS) { f["users.json"].Data = f["users.json"].Data[:200] }, "users.json: is not JSON after"},
		{"a directory", func(f fstest.MapFS) { f["users-2.json"] = &fstest.MapFile{Mode: fs.ModeDir} }, "users-2.json: "},
		{"an error", func(f fstest.MapFS) {
			f["topics.json"].Data = []byte(`{"error":{"code":401,"message":"Unauthorized","status":"UNAUTHORIZED"}}`)
		}, "topics.json: AMS responded with error 401 UNAUTHORIZED"},
		{"another list", func(f fstest.MapFS) { f["topics.json"].Data = f["users.json"].Data }, "topics.json: expected an object with topics"},
		{"a list", func(f fstest.MapFS) { f["topics.json"].Data = []byte("[]") }, "topics.json: expected an object"},
		{"a page is missing", replace("subscriptions.json", `"nextPageToken": ""`, `"nextPageToken": "Mg=="`), "subscriptions.json: is not the last page of subscriptions, and the next one is missing"},
		{"a number for a token", replace("users.json", `"`+tokenA+`"`, "1234567890123456"), "users.json: users[0].token: expected a string"},
		{"a token in upper case", replace("users.json", tokenA, strings.ToUpper(tokenA)), "users.json: users[0].token: expected 64 lower-case hex digits"},
		{"a token twice", replace("users.json", tokenB, tokenA), "users.json: users[1].keys[0].digest: this digest is already at users[0].keys[0]"},
		{"a user twice", replace("users.json", `"name": "UserB"`, `"name": "UserA"`), `users.json: users[1].name: user "UserA" already exists`},
		{"roles of another type", replace("users.json", `["metrics_viewer"]`, `"metrics_viewer"`), "users.json: users[1].projects.roles: expected a list"},
		{"a name that NATS keeps", replace("users.json", `"name": "push"`, `"name": "_push"`), `users.json: value 2: users[0].name: user name "_push" begins with '_'`},
		{"a time", replace("projects.json", "2009-11-10T23:00:00Z", "yesterday"), "projects.json: projects[0].created_on: expected an RFC 3339 time"},
		{"a member twice", replace("users.json", `"project": "ARGO2"`, `"project": "ARGO"`), `users.json: users[1].projects[1].project: user "UserB" is already a member of project "ARGO"`},
		{
			"a service role from a project", replace("users.json", `"metrics_viewer"`, `"service_admin"`),
			`users.json: users[1].projects[1].roles[0]: user "UserB" has service role service_admin in project "ARGO2" only; any administrator of that project could have assigned it`,
		},
		{"no details", func(f fstest.MapFS) {
			f["users.json"].Data = []byte(`{"users":[{"name":"UserA","token":"` + tokenA + `"}]}`)
		}, "users.json: no user has projects"},
		{"a topic's name", replace("topics.json", "/projects/ARGO/topics/topic1", "topic1"), `topics.json: topics[0].name: expected /projects/…/topics/…, found "topic1"`},
		{"a subscription's name", replace("subscriptions.json", "/projects/ARGO/subscriptions/sub1", "/projects/ARGO/topics/sub1"), `subscriptions.json: subscriptions[0].name: expected /projects/…/subscriptions/…`},
		{"a push type", replace("subscriptions.json", `"http_endpoint"`, `"pigeon"`), `subscriptions.json: subscriptions[1].pushConfig.type: there is no push type "pigeon"`},
		{"a retry policy", replace("subscriptions.json", `"linear"`, `"never"`), `subscriptions.json: subscriptions[1].pushConfig.retryPolicy.type: there is no retry policy "never"`},
		{"a negative number", replace("subscriptions.json", `"maxMessages": 1`, `"maxMessages": -1`), `subscriptions.json: subscriptions[1].pushConfig: a number is negative`},
		{"an ACL is missing", replace("acls.json", "/projects/ARGO/topics/topic2", "/projects/ARGO/topics/topic8"), "topics.json: topics[1]: acls.json has no ACL for it"},
		{"an ACL twice", replace("acls.json", "/projects/ARGO/topics/topic2", "projects/ARGO/topics/topic1"), "acls.json: value 2: projects/ARGO/topics/topic1: has two ACLs"},
		{"an ACL that is an error", replace("acls.json", `{"authorized_users": []}`, `{"error": {"code": 404}}`), "acls.json: value 2: /projects/ARGO/topics/topic2: AMS responded with error 404"},
		{"an ACL without a list", replace("acls.json", `{"authorized_users": []}`, `{}`), "acls.json: value 2: /projects/ARGO/topics/topic2: expected an object with authorized_users"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := site(t)
			tt.spoil(files)
			result, err := ams.Read(files, ams.Options{Account: "APP"})
			var problems directory.Problems
			if !errors.As(err, &problems) || len(result.Records.Users) > 0 {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains("\n"+err.Error(), "\n"+tt.want) {
				t.Errorf("got\n%v\nwant\n%s", err, tt.want)
			}
			if strings.Contains(err.Error(), tokenA) || strings.Contains(err.Error(), "1234567") || strings.Contains(err.Error(), "A0A0") {
				t.Errorf("a token is given away: %v", err)
			}
		})
	}
}

func TestAccounts(t *testing.T) {
	for want, o := range map[string]ams.Options{
		`projects.json: projects[1]: project "ARGO2" has no NATS account`: {Accounts: map[string]string{"ARGO": "APP"}},
		`accounts: there is no project "ARGOS"`:                           {Account: "APP", Accounts: map[string]string{"ARGOS": "APP"}},
		`projects.json: projects[0].account: account "a b" holds ' '`:     {Account: "a b"},
	} {
		if _, err := ams.Read(site(t), o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// FuzzRead reads fuzzed text as each file.
func FuzzRead(f *testing.F) {
	names := []string{"users", "projects", "topics", "subscriptions", "acls"}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("testdata", "site", name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(name, data)
		f.Add(name, data[:len(data)/2])
	}
	f.Add("users", []byte(`{"users":[null,{},{"projects":[{}]}]}`))
	f.Add("acls", []byte(`{"":{},"/projects/ARGO/topics/topic1":null}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		files := site(t)
		files[strings.Map(func(r rune) rune {
			if r == '/' || r == '.' || r == '\\' {
				return -1
			}
			return r
		}, name)+"-more.json"] = &fstest.MapFile{Data: data}
		result, err := ams.Read(files, ams.Options{Account: "APP"})
		var problems directory.Problems
		switch {
		case err == nil:
			if _, err := snapshot.New(result.Records); err != nil {
				t.Fatalf("what was read is no directory: %v", err)
			}
		case !errors.As(err, &problems):
			t.Fatalf("got %v", err)
		}
	})
}

// An authorization header is in clear in the records, for the import to seal.
func TestHeader(t *testing.T) {
	t.Parallel()
	result, err := ams.Read(site(t), ams.Options{Account: "APP"})
	if err != nil {
		t.Fatal(err)
	}
	push := result.Records.Projects[0].Subscriptions[1].Push
	if push.Authorization == nil || push.Authorization.Header[:4] != "c2c2" || push.Authorization.Sealed != nil || !push.Verified || push.VerificationHash != "push-id-1" {
		t.Errorf("%+v", push)
	}
}
