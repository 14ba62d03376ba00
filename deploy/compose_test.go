package deploy_test

import (
	"bytes"
	"maps"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// service is a service in docker-compose.yml. Decoding fails at an unknown field.
type service struct {
	Image           string
	Build           *imageBuild
	Command         []string
	Environment     map[string]string
	DependsOn       map[string]struct{ Condition string } `yaml:"depends_on"`
	Ports           []string
	Volumes         []string
	Profiles        []string
	Restart         string
	StopGracePeriod time.Duration `yaml:"stop_grace_period"`
	Healthcheck     struct {
		Test              []string
		Interval, Timeout time.Duration
		Retries           int
		StartPeriod       time.Duration `yaml:"start_period"`
		Disable           bool
	}
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
}

type imageBuild struct {
	Context, Dockerfile string
	Args                struct {
		Program string `yaml:"PROGRAM"`
	}
}

func services(t *testing.T) map[string]service {
	t.Helper()
	var file struct {
		XProgram any `yaml:"x-program"`
		XServer  any `yaml:"x-server"`
		XWorker  any `yaml:"x-worker"`
		Services map[string]service
		Volumes  map[string]any
	}
	decode(t, "docker-compose.yml", &file)
	for name, s := range file.Services {
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, named := file.Volumes[source]; strings.HasPrefix(source, ".") == named {
				t.Errorf("%s: there is no volume %q", name, source)
			}
			if strings.HasPrefix(source, ".") {
				read(t, source)
			}
		}
	}
	return file.Services
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(read(t, path)))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestPrograms builds each program as its image does, and checks that the program knows the
// flags of its command and its health check.
func TestPrograms(t *testing.T) {
	built := make(map[string]string)
	for name, s := range services(t) {
		if s.Build == nil {
			continue
		}
		program := s.Build.Args.Program
		if s.Build.Context != "." || s.Build.Dockerfile != "deploy/Dockerfile" || program == "" {
			t.Errorf("%s is built from %+v", name, *s.Build)
			continue
		}
		if built[program] == "" {
			built[program] = build(t, program)
		}
		understands(t, name, built[program], s.Command)
		if s.Healthcheck.Disable {
			continue
		}
		if probe := s.Healthcheck.Test; len(probe) < 2 || probe[0] != "CMD" || probe[1] != "/program" {
			t.Errorf("%s: its image holds nothing to run %q with", name, probe)
			continue
		}
		understands(t, name, built[program], s.Healthcheck.Test[2:])
	}
	if len(built) != 4 {
		t.Errorf("%d programs are deployed, want server, worker, producer and migrate", len(built))
	}
}

// understands appends -help to the arguments. The program prints its help only if it knows
// all of them.
func understands(t *testing.T, service, binary string, args []string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append(slices.Clone(args), "-h")...)
	var help bytes.Buffer
	cmd.Stdout, cmd.Stderr = &help, &help
	if err := cmd.Run(); err != nil || !strings.Contains(help.String(), "Usage of") {
		t.Errorf("%s does not understand %q: %v\n%s", service, args, err, &help)
	}
}

// TestServicesFindOneAnother checks the hosts, credentials and ports by which services
// reach each other.
func TestServicesFindOneAnother(t *testing.T) {
	all := services(t)
	taken := make(map[string]string)
	for name, s := range all {
		for other, how := range s.DependsOn {
			on, known := all[other]
			switch {
			case !known:
				t.Errorf("%s depends on %s, which is no service", name, other)
			case how.Condition == "service_healthy" && len(on.Healthcheck.Test) == 0,
				how.Condition == "service_completed_successfully" && on.Restart != "no",
				how.Condition != "service_healthy" && how.Condition != "service_completed_successfully":
				t.Errorf("%s waits for %s to be %s, which it never is", name, other, how.Condition)
			}
		}
		for _, port := range s.Ports {
			host := port[:strings.LastIndex(port, ":")]
			if taken[host] != "" || !strings.HasPrefix(host, "127.0.0.1:") {
				t.Errorf("%s publishes %s, %q has it already; others than this machine need not reach it", name, host, taken[host])
			}
			taken[host] = name
		}
		if s.Build == nil {
			continue
		}
		database, err := url.Parse(s.Environment["DATABASE_URL"])
		if err != nil {
			t.Fatal(err)
		}
		on, password := all[database.Hostname()], ""
		password, _ = database.User.Password()
		want := map[string]string{"POSTGRES_USER": database.User.Username(), "POSTGRES_PASSWORD": password, "POSTGRES_DB": strings.TrimPrefix(database.Path, "/")}
		if !maps.Equal(on.Environment, want) {
			t.Errorf("%s opens %s, whose environment is %v", name, database.Redacted(), on.Environment)
		}
	}
}

// TestServicesEndInGoodOrder checks that services have a health check, a restart policy and
// enough time to drain.
func TestServicesEndInGoodOrder(t *testing.T) {
	for name, s := range services(t) {
		if s.Healthcheck.Disable {
			if s.Restart != "no" {
				t.Errorf("%s ends by itself and is started again: %q", name, s.Restart)
			}
			continue
		}
		if len(s.Healthcheck.Test) == 0 || s.Restart != "unless-stopped" {
			t.Errorf("%s: health check %q, restart %q", name, s.Healthcheck.Test, s.Restart)
		}
		if s.Build == nil {
			continue
		}
		least := 40 * time.Second // the runner's grace, and how long Stop waits after it
		if notice := slices.Index(s.Command, "-notice"); notice >= 0 {
			d, err := time.ParseDuration(s.Command[notice+1])
			if err != nil {
				t.Fatal(err)
			}
			least = d + 5*time.Second
		}
		if s.StopGracePeriod < least {
			t.Errorf("%s is killed after %s and drains for up to %s", name, s.StopGracePeriod, least)
		}
	}
}

// TestPrometheus checks that every server and worker is scraped at its address.
func TestPrometheus(t *testing.T) {
	var config struct {
		Global struct {
			ScrapeInterval time.Duration `yaml:"scrape_interval"`
		}
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	decode(t, "deploy/prometheus.yml", &config)
	if config.Global.ScrapeInterval <= 10*time.Second {
		t.Errorf("scraped every %s: a scrape may take ten seconds", config.Global.ScrapeInterval)
	}
	var want, got []string
	for name, s := range services(t) {
		if ops := slices.Index(s.Command, "-ops"); ops >= 0 {
			_, port, err := net.SplitHostPort(s.Command[ops+1])
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, net.JoinHostPort(name, port))
		}
	}
	for _, scrape := range config.ScrapeConfigs {
		for _, static := range scrape.StaticConfigs {
			got = append(got, static.Targets...)
		}
	}
	if slices.Sort(want); !slices.Equal(want, slices.Sorted(slices.Values(got))) || len(want) != 4 {
		t.Errorf("scraped are %v, want %v", got, want)
	}
	if promtool, err := exec.LookPath("promtool"); err == nil { // it checks more than this test
		if out, err := exec.CommandContext(t.Context(), promtool, "check", "config", filepath.Join(root, "deploy/prometheus.yml")).CombinedOutput(); err != nil {
			t.Errorf("promtool: %v\n%s", err, out)
		}
	}
}
