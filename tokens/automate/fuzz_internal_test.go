package automate

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"usher/tokens/automate/automatepb"
)

// Whatever the services send: an identity has a name, and projects; and unknown fields
// change nothing.
func FuzzAnswers(f *testing.F) {
	good, err := proto.Marshal(&automatepb.AuthenticateResponse{Subject: "token:a", Teams: []string{"team:b"}, Requestor: "user:c"})
	if err != nil {
		f.Fatal(err)
	}
	projects, err := proto.Marshal(&automatepb.ProjectsAuthorizedResp{Projects: []string{"east"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, projects)
	f.Add(append(good, 0x9a, 0x06, 1, 'x'), append(projects, 0x98, 0x06, 1)) // fields 99
	f.Add(good, []byte{})
	f.Add([]byte{}, projects)
	f.Add([]byte{0x0a, 0x03, 0xff, 0xfe, 0xfd}, projects) // not UTF-8
	f.Add([]byte{0x0a, 0x7f}, projects)                   // cut off
	f.Fuzz(func(t *testing.T, first, second []byte) {
		who, where := new(automatepb.AuthenticateResponse), new(automatepb.ProjectsAuthorizedResp)
		if proto.Unmarshal(first, who) != nil || proto.Unmarshal(second, where) != nil ||
			checkWho(who) != nil || !areNames(where.GetProjects()) {
			return
		}
		a := answer("chef", who, where.GetProjects())
		id := &a.Identity
		if (a.Refusal == nil) != (len(where.GetProjects()) > 0) {
			t.Errorf("refused: %v, with projects %q", a.Refusal, where.GetProjects())
		}
		if a.Refusal != nil {
			id = &a.Refusal.Identity
		}
		if !isName(id.ID) || id.Name != "" || id.Authority != "chef" {
			t.Errorf("%+v", id)
		}
	})
}
