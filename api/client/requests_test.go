package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"usher/api"
	"usher/api/client"
	"usher/api/wire"
)

// requests are calls of each method of the client, by the request that it should send:
// method, path, query, body and If-Match.
func requests(ctx context.Context) map[string]func(c *client.Client) error {
	email, account := "a@example.org", "APP"
	return map[string]func(c *client.Client) error{
		`GET /v1/users?pageSize=500&project=shop`: func(c *client.Client) error { _, err := c.Users(ctx, "shop"); return err },
		`GET /v1/projects/shop:metrics`:           func(c *client.Client) error { _, err := c.ProjectMetrics(ctx, "shop"); return err },
		`GET /v1/projects/shop/topics/orders:metrics`: func(c *client.Client) error {
			_, err := c.TopicMetrics(ctx, "shop", "orders")
			return err
		},
		`GET /v1/projects/shop/subscriptions/billing:metrics`: func(c *client.Client) error {
			_, err := c.SubscriptionMetrics(ctx, "shop", "billing")
			return err
		},
		`POST /v1/projects/shop/topics/orders:publish {"messages":[{"data":"aGk="}]}`: func(c *client.Client) error {
			_, err := c.Publish(ctx, "shop", "orders", &wire.Publish{Messages: []wire.Message{{Data: "aGk="}}}, "key")
			return err
		},
		`POST /v1/projects/shop/subscriptions/billing:pull {"maxMessages":"5"}`: func(c *client.Client) error {
			_, err := c.Pull(ctx, "shop", "billing", &wire.Pull{MaxMessages: "5"})
			return err
		},
		`POST /v1/projects/shop/subscriptions/billing:acknowledge {"ackIds":["a"]}`: func(c *client.Client) error {
			return c.Acknowledge(ctx, "shop", "billing", &wire.Acknowledge{AckIDs: []string{"a"}})
		},
		`POST /v1/projects/shop/subscriptions/billing:verifyPushEndpoint`: func(c *client.Client) error {
			return c.VerifyPushEndpoint(ctx, "shop", "billing")
		},
		`GET /v1/push-workers`: func(c *client.Client) error { _, err := c.PushWorkers(ctx); return err },
		`POST /v1/projects/shop/subscriptions/billing:rotatePushHeader`: func(c *client.Client) error {
			_, err := c.RotatePushHeader(ctx, "shop", "billing")
			return err
		},
		`POST /v1/projects/shop/subscriptions/billing:modifyPushConfig {"pushConfig":{"type":"","pushEndpoint":"","maxMessages":0,"authorizationHeader":{},"retryPolicy":{},"verificationHash":"","verified":false,"mattermostUrl":"","mattermostUsername":"","mattermostChannel":"","base64Decode":false}} if "7"`: func(c *client.Client) error {
			return c.ModifyPushConfig(ctx, "shop", "billing", &wire.PushConfig{}, `"7"`)
		},
		`POST /v1/projects/shop/subscriptions/billing:modifyAckDeadline {"ackDeadlineSeconds":20} if "7"`: func(c *client.Client) error {
			return c.ModifyAckDeadline(ctx, "shop", "billing", 20, `"7"`)
		},
		`GET /v1/projects/shop/subscriptions/billing:offsets`: func(c *client.Client) error {
			_, err := c.Offsets(ctx, "shop", "billing")
			return err
		},
		`POST /v1/projects/shop/subscriptions/billing:modifyOffset {"offset":7}`: func(c *client.Client) error {
			return c.ModifyOffset(ctx, "shop", "billing", 7)
		},
		`GET /v1/projects/shop/subscriptions/billing:timeToOffset?time=1970-01-01T00%3A00%3A00Z`: func(c *client.Client) error {
			_, err := c.OffsetAt(ctx, "shop", "billing", time.Unix(0, 0))
			return err
		},
		`GET /v1/users/alice`:         func(c *client.Client) error { _, _, err := c.User(ctx, "alice"); return err },
		`GET /v1/users:byUUID/6f1e-2`: func(c *client.Client) error { _, _, err := c.UserByUUID(ctx, "6f1e-2"); return err },
		`GET /v1/version`:             func(c *client.Client) error { _, err := c.Version(ctx); return err },
		`GET /v1/status`:              func(c *client.Client) error { _, err := c.Status(ctx); return err },
		`GET /v1/users/profile`:       func(c *client.Client) error { _, err := c.Profile(ctx); return err },
		`POST /v1/users/alice {"email":"a@example.org"}`: func(c *client.Client) error {
			_, err := c.CreateUser(ctx, "alice", &wire.UserInput{Email: &email})
			return err
		},
		`PUT /v1/users/alice {"service_roles":[]} if "7"`: func(c *client.Client) error {
			_, err := c.UpdateUser(ctx, "alice", &wire.UserInput{ServiceRoles: []string{}}, `"7"`)
			return err
		},
		`DELETE /v1/users/alice`: func(c *client.Client) error { return c.DeleteUser(ctx, "alice", "") },
		`POST /v1/users/alice:refreshToken {"grace":"1h"}`: func(c *client.Client) error {
			_, err := c.RefreshToken(ctx, "alice", &wire.RefreshToken{Grace: "1h"})
			return err
		},
		`GET /v1/users/alice:permissions?project=shop`: func(c *client.Client) error { _, err := c.Permissions(ctx, "alice", "shop"); return err },
		`GET /v1/users/alice/keys?pageSize=500`:        func(c *client.Client) error { _, err := c.Keys(ctx, "alice"); return err },
		`GET /v1/users/alice/keys/laptop`:              func(c *client.Client) error { _, _, err := c.Key(ctx, "alice", "laptop"); return err },
		`POST /v1/users/alice/keys {"name":"laptop","expires_in":"24h"}`: func(c *client.Client) error {
			_, err := c.CreateKey(ctx, "alice", &wire.KeyInput{Name: "laptop", ExpiresIn: "24h"})
			return err
		},
		`DELETE /v1/users/alice/keys/laptop`: func(c *client.Client) error { return c.DeleteKey(ctx, "alice", "laptop", "") },

		`GET /v1/users/alice/nkeys?pageSize=500`: func(c *client.Client) error { _, err := c.NKeys("alice").List(ctx); return err },
		`GET /v1/users/alice/nkeys/x`:            func(c *client.Client) error { _, _, err := c.NKeys("alice").Get(ctx, "x"); return err },
		`POST /v1/users/alice/nkeys {"name":"x","nkey":"U1"}`: func(c *client.Client) error {
			_, err := c.NKeys("alice").Add(ctx, &wire.NKeyInput{Name: "x", NKey: "U1"})
			return err
		},
		`PUT /v1/users/alice/nkeys/x {"expires_in":"never","source_networks":[]} if "7"`: func(c *client.Client) error {
			_, err := c.NKeys("alice").Update(ctx, "x", &wire.KeyTerms{ExpiresIn: wire.Never, SourceNetworks: []string{}}, `"7"`)
			return err
		},
		`DELETE /v1/users/alice/nkeys/x`:                func(c *client.Client) error { return c.NKeys("alice").Remove(ctx, "x", "") },
		`GET /v1/users/alice/certificates?pageSize=500`: func(c *client.Client) error { _, err := c.Certificates("alice").List(ctx); return err },
		`GET /v1/users/alice/certificates/x`:            func(c *client.Client) error { _, _, err := c.Certificates("alice").Get(ctx, "x"); return err },
		`POST /v1/users/alice/certificates {"name":"x","subject":"CN=a"}`: func(c *client.Client) error {
			_, err := c.Certificates("alice").Add(ctx, &wire.CertificateInput{Name: "x", Subject: "CN=a"})
			return err
		},
		`PUT /v1/users/alice/certificates/x {"expires_in":"never","source_networks":[]} if "7"`: func(c *client.Client) error {
			_, err := c.Certificates("alice").Update(ctx, "x", &wire.KeyTerms{ExpiresIn: wire.Never, SourceNetworks: []string{}}, `"7"`)
			return err
		},
		`DELETE /v1/users/alice/certificates/x`:     func(c *client.Client) error { return c.Certificates("alice").Remove(ctx, "x", "") },
		`GET /v1/users/alice/bindings?pageSize=500`: func(c *client.Client) error { _, err := c.Bindings("alice").List(ctx); return err },
		`GET /v1/users/alice/bindings/x`:            func(c *client.Client) error { _, _, err := c.Bindings("alice").Get(ctx, "x"); return err },
		`POST /v1/users/alice/bindings {"name":"x","subject":"CN=a","service_type":"ams","host":"a"}`: func(c *client.Client) error {
			_, err := c.Bindings("alice").Add(ctx, &wire.BindingInput{Name: "x", Subject: "CN=a", ServiceType: "ams", Host: "a"})
			return err
		},
		`PUT /v1/users/alice/bindings/x {"expires_in":"never","source_networks":[]} if "7"`: func(c *client.Client) error {
			_, err := c.Bindings("alice").Update(ctx, "x", &wire.KeyTerms{ExpiresIn: wire.Never, SourceNetworks: []string{}}, `"7"`)
			return err
		},
		`DELETE /v1/users/alice/bindings/x`: func(c *client.Client) error { return c.Bindings("alice").Remove(ctx, "x", "") },
		`GET /v1/users/alice/password`:      func(c *client.Client) error { _, _, err := c.Password(ctx, "alice"); return err },
		`PUT /v1/users/alice/password {"password":"secret"} if "7"`: func(c *client.Client) error {
			_, err := c.SetPassword(ctx, "alice", &wire.PasswordInput{Password: "secret"}, `"7"`)
			return err
		},
		`DELETE /v1/users/alice/password`: func(c *client.Client) error { return c.RemovePassword(ctx, "alice", "") },

		`GET /v1/sessions?details=true&id=NA%3A1&id=NA%3A2&pageSize=500&user=alice`: func(c *client.Client) error {
			_, err := c.Sessions(ctx, "", &wire.SessionFilter{User: "alice", IDs: []string{"NA:1", "NA:2"}}, true)
			return err
		},
		`GET /v1/projects/shop/sessions?from=192.0.2.0%2F24&pageSize=500`: func(c *client.Client) error {
			_, err := c.Sessions(ctx, "shop", &wire.SessionFilter{From: "192.0.2.0/24"}, false)
			return err
		},
		`GET /v1/sessions/NA:42`:               func(c *client.Client) error { _, err := c.Session(ctx, "", "NA:42"); return err },
		`GET /v1/projects/shop/sessions/NA:42`: func(c *client.Client) error { _, err := c.Session(ctx, "shop", "NA:42"); return err },
		`POST /v1/sessions:kick {"user":"alice","reason":"left","rate":7}`: func(c *client.Client) error {
			return kick(ctx, c, "", &wire.SessionKick{SessionFilter: wire.SessionFilter{User: "alice"}, Reason: "left", Rate: 7})
		},
		`POST /v1/projects/shop/sessions:kick {"all":true,"reason":"left"}`: func(c *client.Client) error {
			return kick(ctx, c, "shop", &wire.SessionKick{All: true, Reason: "left"})
		},

		`GET /v1/bans?pageSize=500`: func(c *client.Client) error { _, err := c.Bans(ctx); return err },
		`GET /v1/bans/b1`:           func(c *client.Client) error { _, _, err := c.Ban(ctx, "b1"); return err },
		`POST /v1/bans {"user":"alice","reason":"left","for":"1h"}`: func(c *client.Client) error {
			_, err := c.CreateBan(ctx, &wire.BanInput{BanTarget: wire.BanTarget{User: "alice"}, Reason: "left", For: "1h"})
			return err
		},
		`DELETE /v1/bans/b1`: func(c *client.Client) error { return c.LiftBan(ctx, "b1") },

		`GET /v1/projects?pageSize=500`: func(c *client.Client) error { _, err := c.Projects(ctx); return err },
		`GET /v1/projects/shop`:         func(c *client.Client) error { _, _, err := c.Project(ctx, "shop"); return err },
		`POST /v1/projects/shop {"account":"APP"}`: func(c *client.Client) error {
			_, err := c.CreateProject(ctx, "shop", &wire.ProjectInput{Account: &account})
			return err
		},
		`PUT /v1/projects/shop {} if "7"`: func(c *client.Client) error {
			_, err := c.UpdateProject(ctx, "shop", &wire.ProjectInput{}, `"7"`)
			return err
		},
		`DELETE /v1/projects/shop if "7"`: func(c *client.Client) error { return c.DeleteProject(ctx, "shop", `"7"`) },

		`GET /v1/projects/shop/members?pageSize=500`: func(c *client.Client) error { _, err := c.Members(ctx, "shop"); return err },
		`GET /v1/projects/shop/members/alice`:        func(c *client.Client) error { _, _, err := c.Member(ctx, "shop", "alice"); return err },
		`POST /v1/projects/shop/members/alice:add {"project":"shop","roles":["publisher"]}`: func(c *client.Client) error {
			_, err := c.AddMember(ctx, "shop", "alice", []string{"publisher"})
			return err
		},
		`POST /v1/projects/shop/members/alice {"projects":[{"project":"shop","roles":["consumer"]}]}`: func(c *client.Client) error {
			_, err := c.CreateMember(ctx, "shop", "alice", []string{"consumer"})
			return err
		},
		`PUT /v1/projects/shop/members/alice {"projects":[{"project":"shop","roles":["consumer"]}]} if "7"`: func(c *client.Client) error {
			_, err := c.UpdateMember(ctx, "shop", "alice", []string{"consumer"}, `"7"`)
			return err
		},
		`POST /v1/projects/shop/members/alice:remove`: func(c *client.Client) error { return c.RemoveMember(ctx, "shop", "alice", "") },

		`GET /v1/projects/shop/topics?pageSize=500`: func(c *client.Client) error { _, err := c.Topics(ctx, "shop"); return err },
		`GET /v1/projects/shop/topics/orders`:       func(c *client.Client) error { _, _, err := c.Topic(ctx, "shop", "orders"); return err },
		`PUT /v1/projects/shop/topics/orders {"subject":"shop.x.y"}`: func(c *client.Client) error {
			_, err := c.CreateTopic(ctx, "shop", "orders", &wire.TopicInput{Subject: "shop.x.y"})
			return err
		},
		`DELETE /v1/projects/shop/topics/orders`:            func(c *client.Client) error { return c.DeleteTopic(ctx, "shop", "orders", "") },
		`GET /v1/projects/shop/topics/orders/subscriptions`: func(c *client.Client) error { _, err := c.TopicSubscriptions(ctx, "shop", "orders"); return err },
		`GET /v1/projects/shop/subscriptions?pageSize=500`:  func(c *client.Client) error { _, err := c.Subscriptions(ctx, "shop"); return err },
		`GET /v1/projects/shop/subscriptions/s`:             func(c *client.Client) error { _, _, err := c.Subscription(ctx, "shop", "s"); return err },
		`DELETE /v1/projects/shop/subscriptions/s`:          func(c *client.Client) error { return c.DeleteSubscription(ctx, "shop", "s", "") },

		`GET /v1/projects/shop/topics/orders:acl`: func(c *client.Client) error {
			_, _, err := c.ACL(ctx, client.TopicOf("shop", "orders"))
			return err
		},
		`GET /v1/projects/shop/subscriptions/s:acl`: func(c *client.Client) error {
			_, _, err := c.ACL(ctx, client.SubscriptionOf("shop", "s"))
			return err
		},
		`PUT /v1/projects/shop/subscriptions/s {"topic":"projects/shop/topics/orders","ackDeadlineSeconds":20}`: func(c *client.Client) error {
			_, err := c.CreateSubscription(ctx, "shop", "s", &wire.SubscriptionInput{Topic: "projects/shop/topics/orders", AckDeadlineSeconds: 20})
			return err
		},
		`POST /v1/projects/shop/topics/orders:modifyAcl {"authorized_users":["alice"]} if "7"`: func(c *client.Client) error {
			return c.SetACL(ctx, client.TopicOf("shop", "orders"), []string{"alice"}, `"7"`)
		},
		`POST /v1/projects/shop/subscriptions/s:modifyAcl {"authorized_users":[]} if "7"`: func(c *client.Client) error {
			return c.SetACL(ctx, client.SubscriptionOf("shop", "s"), nil, `"7"`)
		},
	}
}

// kick sends a kick to a server that does not answer with a result.
func kick(ctx context.Context, c *client.Client, project string, in *wire.SessionKick) error {
	_, err := c.Kick(ctx, project, in, func(*wire.KickLine) {})
	if errors.Is(err, client.ErrOutcomeUnknown) {
		return nil
	}
	return err
}

func TestRequests(t *testing.T) {
	for want, call := range requests(context.Background()) {
		var got string
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + " " + string(body))
			if match := r.Header.Get("If-Match"); match != "" {
				got += " if " + match
			}
			if r.Header.Get("x-api-key") != testKey || r.Header.Get("User-Agent") != "usher/test" {
				t.Errorf("%s: headers %v", want, r.Header)
			}
			_, _ = io.WriteString(w, "{}")
		})
		if err := call(c); err != nil {
			t.Errorf("%s: %v", want, err)
		}
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// The client has a method for every route of the API. directory_test.go covers the routes
// that transfer files, and providers alone send logout tokens, and
// push servers of AMS alone ask whose key it is.
func TestEveryRoute(t *testing.T) {
	variable := regexp.MustCompile(`\\\{[a-z]+\\\}`)
	for _, route := range api.Routes() {
		if slices.Contains([]string{"openapi.show", "directory.export", "directory.import", "session.logout", "user.by_token"}, route.Name) {
			continue
		}
		line := regexp.MustCompile("^" + variable.ReplaceAllString(strings.ReplaceAll(regexp.QuoteMeta(route.Method+" "+route.Path), `\{session\}`, "[^/? ]+"), "[^/:? ]+") + "([? ]|$)")
		covered := false
		for request := range requests(context.Background()) {
			covered = covered || line.MatchString(request)
		}
		if !covered {
			t.Errorf("%s: no method sends %s %s", route.Name, route.Method, route.Path)
		}
	}
}
