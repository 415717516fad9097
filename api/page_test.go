package api_test

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"usher/api/wire"
)

// topics reads the topics of shop page by page. It calls between after each page.
func (s *service) topics(size int, between func(page int)) (names []string) {
	s.t.Helper()
	token := ""
	for page := 0; ; page++ {
		list := decode[wire.TopicList](s.t, s.root(200, "GET", fmt.Sprintf("/v1/projects/shop/topics?pageSize=%d&pageToken=%s", size, url.QueryEscape(token)), ""))
		if len(list.Topics) > size {
			s.t.Fatalf("%d on a page of %d", len(list.Topics), size)
		}
		for _, topic := range list.Topics {
			names = append(names, topic.Name[strings.LastIndex(topic.Name, "/")+1:])
		}
		if token = list.NextPageToken; token == "" {
			return names
		}
		between(page)
	}
}

// Lists are sorted by time, newest first, and by name. Changes of the list do not move pages.
func TestPages(t *testing.T) {
	s := start(t, nil, nil)
	for i := range 7 {
		s.now.Store(int64(1000 + 10*(i/2))) // two with the same time
		s.root(200, "PUT", fmt.Sprintf("/v1/projects/shop/topics/t%d", i), "")
	}
	const all = "[t6 t4 t5 t2 t3 t0 t1 returns orders]"
	for size := 1; size < 10; size++ {
		if got := fmt.Sprint(s.topics(size, func(int) {})); got != all {
			t.Errorf("pages of %d: %s", size, got)
		}
	}
	got := fmt.Sprint(s.topics(2, func(page int) {
		switch page {
		case 0: // after t6 and t4
			s.now.Store(2000)
			s.root(200, "PUT", "/v1/projects/shop/topics/new", "")   // before this page
			s.root(200, "DELETE", "/v1/projects/shop/topics/t4", "") // the start of the next page
			s.root(200, "DELETE", "/v1/projects/shop/topics/t2", "") // on the next page
			s.root(200, "POST", "/v1/users/somebody", `{}`)          // not in the list
		case 1: // after t5 and t3
			s.now.Store(1000)
			s.root(200, "PUT", "/v1/projects/shop/topics/t00", "") // after this page
		}
	}))
	if got != "[t6 t4 t5 t3 t0 t00 t1 returns orders]" {
		t.Errorf("with changes: %s", got)
	}
	for _, size := range []string{"4611686018427387903", "9223372036854775807"} {
		if list := decode[wire.TopicList](t, s.root(200, "GET", "/v1/projects/shop/topics?pageSize="+size, "")); len(list.Topics) != 9 {
			t.Errorf("a page of %s: %d", size, len(list.Topics))
		}
	}
	list := decode[wire.TopicList](t, s.root(200, "GET", "/v1/projects/shop/topics?pageSize=3", ""))
	if list.TotalSize != 9 {
		t.Errorf("totalSize is %d", list.TotalSize)
	}
	s.root(400, "GET", "/v1/projects/shop/subscriptions?pageToken="+list.NextPageToken, "") // token of another list
	text, err := base64.RawURLEncoding.DecodeString(list.NextPageToken)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		string(text[1:]), "2" + string(text[1:]), string(text) + "/", strings.Replace(string(text), "/1", "/+1", 1), "", "1/topic.list/x/0/a", "1/topic.list/0/9999999999/a",
	} {
		if token := base64.RawURLEncoding.EncodeToString([]byte(bad)); token != "" {
			s.root(400, "GET", "/v1/projects/shop/topics?pageToken="+token, "")
		}
	}
	s.root(400, "GET", "/v1/projects/shop/topics?pageToken="+list.NextPageToken+"=", "")
}
