/* SPDX-License-Identifier: ISC */
/*
 * What a process that was taken over would try (see sandbox_probe.c).  Each
 * attempt returns 0 when it succeeded, or -1 and errno; where success would
 * need a valid argument that it does not have, the kernel's complaint about
 * the argument counts as success, since the call was let through.  Nothing
 * outside the directory "play" is changed.
 */
#define _GNU_SOURCE
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox_probe.h"

static char	 path_buf[2][4096];

static int	 done_fd(long);
static int	 reached(long);
static const char *play(const char *);
static const char *spool(const char *);
static void	 report(const char *, int);

static int
done_fd(long fd)
{
	if (fd < 0)
		return -1;
	close((int)fd);
	return 0;
}

static int
reached(long r)
{
	return r >= 0 || errno == EINVAL || errno == EFAULT || errno == EBADF ||
	    errno == ENOENT ? 0 : -1;
}

static const char *
play(const char *name)
{
	snprintf(path_buf[0], sizeof(path_buf[0]), "%s/%s", probe.play, name);
	return path_buf[0];
}

static const char *
spool(const char *name)
{
	snprintf(path_buf[1], sizeof(path_buf[1]), "%s/%s", probe.spool, name);
	return path_buf[1];
}

/* --- files ----------------------------------------------------------------- */

static int
open_read(void)
{
	return done_fd(openat(probe.root, "etc/passwd", O_RDONLY));
}

static int
open_slash(void)
{
	return done_fd(open("/", O_RDONLY | O_DIRECTORY));
}

static int
open_how(void)
{
	struct { uint64_t flags, mode, resolve; } how = { O_RDONLY, 0, 0 };

	return done_fd(syscall(SYS_openat2, probe.root, "etc/passwd", &how,
	    sizeof(how)));
}

static int
create(void)
{
	return done_fd(openat(probe.root, play("new"), O_WRONLY | O_CREAT,
	    0600));
}

static int
write_file(void)
{
	return done_fd(openat(probe.root, play("write"), O_WRONLY));
}

static int
truncate_file(void)
{
	char	 path[4200];

	snprintf(path, sizeof(path), "/%s", play("truncate"));
	return truncate(path, 0);
}

static int
unlink_file(void)
{
	return unlinkat(probe.root, play("unlink"), 0);
}

static int
rename_file(void)
{
	char	 to[4096];

	snprintf(to, sizeof(to), "%s", play("renamed"));
	return renameat(probe.root, play("rename"), probe.root, to);
}

static int
link_file(void)
{
	char	 to[4096];

	snprintf(to, sizeof(to), "%s", play("linked"));
	return linkat(probe.root, play("link"), probe.root, to, 0);
}

static int
make_dir(void)
{
	return mkdirat(probe.root, play("dir"), 0700);
}

static int
make_link(void)
{
	return symlinkat("x", probe.root, play("symlink"));
}

static int
make_fifo(void)
{
	return mknodat(probe.root, play("fifo"), S_IFIFO | 0600, 0);
}

static int
change_mode(void)
{
	return fchmodat(probe.root, play("chmod"), 0666, 0);
}

static int
change_mode2(void)
{
	return (int)syscall(452, probe.root, play("chmod"), 0666, 0);
}

static int
change_owner(void)
{
	return fchownat(probe.root, play("chmod"), geteuid(), getegid(), 0);
}

static int
change_times(void)
{
	return utimensat(probe.root, play("chmod"), NULL, 0);
}

static int
watch(void)
{
	int	 fd = inotify_init1(0);

	return done_fd(fd);
}

static int
spool_queue(void)
{
	return done_fd(openat(probe.root, spool("queue"),
	    O_RDONLY | O_DIRECTORY));
}

static int
spool_local(void)
{
	return done_fd(openat(probe.root, spool("local"),
	    O_RDONLY | O_DIRECTORY));
}

/* Files of the current directory: those of wsqueue's and wslocal's store. */
static int
own_file(void)
{
	int	 fd = open("probe", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd == -1)
		return -1;
	if (write(fd, "x", 1) != 1 || fsync(fd) == -1 ||
	    rename("probe", "probe2") == -1 || unlink("probe2") == -1) {
		close(fd);
		return -1;
	}
	return done_fd(fd);
}

static int
own_fifo(void)
{
	if (mkfifo("probe-fifo", 0600) == -1)
		return -1;
	return unlink("probe-fifo");
}

/* --- sockets --------------------------------------------------------------- */

static int
socket_inet(void)
{
	return done_fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int
socket_inet6(void)
{
	return done_fd(socket(AF_INET6, SOCK_DGRAM, 0));
}

static int
socket_icmp(void)
{
	return done_fd(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
}

static int
socket_unix(void)
{
	return done_fd(socket(AF_UNIX, SOCK_STREAM, 0));
}

/* The kernel reads 32 bits of it: AF_UNIX. */
static int
socket_high(void)
{
	return done_fd(syscall(SYS_socket, 0x100000000UL | AF_UNIX,
	    (unsigned long)SOCK_STREAM, 0UL));
}

static int
socket_netlink(void)
{
	return done_fd(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int
socket_pair(void)
{
	int	 sp[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sp) == -1)
		return -1;
	close(sp[0]);
	return done_fd(sp[1]);
}

static int
connect_tcp(void)
{
	struct sockaddr_in	 sin;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_port = htons((uint16_t)probe.port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(probe.client, (struct sockaddr *)&sin, sizeof(sin));
}

static int
bind_tcp(void)
{
	struct sockaddr_in	 sin;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return bind(probe.server, (struct sockaddr *)&sin, sizeof(sin));
}

static int
listen_tcp(void)
{
	return listen(probe.server, 1);
}

static int
socket_option(void)
{
	int	 n = 65536;

	return setsockopt(probe.client, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
}

static int
socket_nodelay(void)
{
	int	 one = 1;

	return setsockopt(probe.client, IPPROTO_TCP, TCP_NODELAY, &one,
	    sizeof(one));
}

/* --- programs, threads ----------------------------------------------------- */

static int
make_child(void)
{
	pid_t	 pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid == -1)
		return -1;
	(void)waitpid(pid, NULL, 0);
	return 0;
}

/* In a child where there can be one; else this process is replaced. */
static int
exec_by(int how)
{
	static char	*argv[] = { (char *)"true", NULL }, *env[] = { NULL };
	pid_t		 pid = fork();
	int		 status;

	if (pid > 0) {
		(void)waitpid(pid, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			return 0;
		errno = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
		return -1;
	}
	if (how == 0)
		(void)execve("/bin/true", argv, env);
	else
		(void)syscall(SYS_execveat, probe.program, "", argv, env,
		    AT_EMPTY_PATH);
	if (pid == 0)
		_exit(errno);
	return -1;
}

static int
exec_path(void)
{
	return exec_by(0);
}

static int
exec_fd(void)
{
	return exec_by(1);
}

static int
make_clone3(void)
{
	uint64_t	 args[11] = { 0 };
	long		 pid;

	args[4] = SIGCHLD;		/* exit_signal */
	pid = syscall(SYS_clone3, args, sizeof(args));
	if (pid == 0)
		_exit(0);
	if (pid == -1)
		return -1;
	(void)waitpid((pid_t)pid, NULL, 0);
	return 0;
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
make_thread(void)
{
	pthread_t	 t;

	if ((errno = pthread_create(&t, NULL, nothing, NULL)) != 0)
		return -1;
	pthread_join(t, NULL);
	return 0;
}

/* --- other processes ------------------------------------------------------- */

static int
trace(void)
{
	if (ptrace(PTRACE_SEIZE, probe.victim, NULL, NULL) == -1)
		return -1;
	(void)ptrace(PTRACE_INTERRUPT, probe.victim, NULL, NULL);
	(void)waitpid(probe.victim, NULL, __WALL);
	(void)ptrace(PTRACE_DETACH, probe.victim, NULL, NULL);
	return 0;
}

static int
trace_other(void)
{
	if (ptrace(PTRACE_SEIZE, probe.other, NULL, NULL) == -1)
		return -1;
	(void)ptrace(PTRACE_INTERRUPT, probe.other, NULL, NULL);
	(void)waitpid(probe.other, NULL, __WALL);
	(void)ptrace(PTRACE_DETACH, probe.other, NULL, NULL);
	return 0;
}

static int
vm_read(void)
{
	char		 c;
	struct iovec	 mine = { &c, 1 };
	struct iovec	 its = { (void *)probe.address, 1 };

	return process_vm_readv(probe.victim, &mine, 1, &its, 1, 0) == 1 ? 0 :
	    -1;
}

static int
vm_write(void)
{
	char		 c = 0;
	struct iovec	 mine = { &c, 1 };
	struct iovec	 its = { (void *)probe.address, 1 };

	return process_vm_writev(probe.victim, &mine, 1, &its, 1, 0) == 1 ? 0 :
	    -1;
}

static int
compare(void)
{
	return syscall(SYS_kcmp, getpid(), probe.victim, 1, 0, 0) >= 0 ? 0 :
	    -1;
}

static int
pidfd(void)
{
	return done_fd(syscall(SYS_pidfd_open, probe.victim, 0));
}

static int
kill_victim(void)
{
	return kill(probe.victim, 0);
}

static int
kill_other(void)
{
	return kill(probe.other, 0);
}

static int
kill_parent(void)
{
	return kill(probe.parent, 0);
}

static int
thread_kill(void)
{
	return (int)syscall(SYS_tgkill, probe.victim, probe.victim, 0);
}

static int
queue_signal(void)
{
	union sigval	 v = { 0 };

	return sigqueue(probe.victim, 0, v);
}

static int
own_signals(void)
{
	return fcntl(probe.client, F_SETOWN, probe.victim);
}

static int
limits_of(void)
{
	struct rlimit	 rl;

	return prlimit(probe.victim, RLIMIT_CORE, NULL, &rl);
}

static int
priority_of(void)
{
	return setpriority(PRIO_PROCESS, (id_t)probe.victim, 10);
}

static int
affinity_of(void)
{
	cpu_set_t	 set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	return sched_setaffinity(probe.victim, sizeof(set), &set);
}

/* --- memory ---------------------------------------------------------------- */

static int
map(int prot, int flags, int fd)
{
	void	*p = mmap(NULL, 4096, prot, flags, fd, 0);

	if (p == MAP_FAILED)
		return -1;
	munmap(p, 4096);
	return 0;
}

static int
map_wx(void)
{
	return map(PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int
map_x(void)
{
	return map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int
map_file_x(void)
{
	return map(PROT_READ | PROT_EXEC, MAP_PRIVATE, probe.program);
}

static int
protect_x(void)
{
	void	*p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int	 r;

	if (p == MAP_FAILED)
		return -1;
	r = mprotect(p, 4096, PROT_READ | PROT_EXEC);
	munmap(p, 4096);
	return r;
}

static int
protect_x_key(void)
{
	void	*p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long	 r;

	if (p == MAP_FAILED)
		return -1;
	r = syscall(SYS_pkey_mprotect, p, 4096UL,
	    (unsigned long)(PROT_READ | PROT_EXEC), -1L);
	munmap(p, 4096);
	return (int)r;
}

static int
shared_memory(void)
{
	int	 id = shmget(IPC_PRIVATE, 4096, 0600);

	if (id == -1)
		return -1;
	return shmctl(id, IPC_RMID, NULL);
}

/* --- the kernel's larger doors ------------------------------------------------ */

static int
uring(void)
{
	char	 params[120] = { 0 };

	return done_fd(syscall(SYS_io_uring_setup, 1, params));
}

static int
bpf_map(void)
{
	uint32_t	 attr[32] = { 2, 4, 8, 1 };	/* ARRAY, one entry */

	return done_fd(syscall(SYS_bpf, 0, attr, sizeof(attr)));
}

static int
fault_fd(void)
{
	return done_fd(syscall(SYS_userfaultfd, 1 /* USER_MODE_ONLY */));
}

static int
perf(void)
{
	uint32_t	 attr[32] = { 1, sizeof(attr) };	/* SOFTWARE */

	return done_fd(syscall(SYS_perf_event_open, attr, 0, -1, -1, 0));
}

static int
key(void)
{
	return syscall(SYS_keyctl, 0, -3L, 1L) >= 0 ? 0 : -1;
}

static int
add_a_key(void)
{
	return syscall(SYS_add_key, "user", "ws-probe", "x", 1UL, -2L) >= 0 ?
	    0 : -1;
}

static int
mount_fs(void)
{
	char	 path[4200];

	snprintf(path, sizeof(path), "/%s", play("mount"));
	if (mount("none", path, "tmpfs", 0, "") == -1)
		return -1;
	return umount(path);
}

static int
mount_new(void)
{
	return done_fd(syscall(SYS_fsopen, "tmpfs", 0));
}

static int
name_space(void)
{
	return unshare(CLONE_NEWNS);
}

static int
change_root(void)
{
	return chroot("/");
}

static int
become_root(void)
{
	return setresuid((uid_t)-1, 0, (uid_t)-1);
}

static int
change_personality(void)
{
	return personality(personality(0xffffffff)) == -1 ? -1 : 0;
}

static int
dumps_on(void)
{
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1)
		return -1;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 ? 0 : -1;
}

static int
cores_on(void)
{
	struct rlimit	 rl = { 1, 1 };

	return setrlimit(RLIMIT_CORE, &rl);
}

static int
device_control(void)
{
	return ioctl(probe.client, 0x5451 /* FIOCLEX */, NULL);
}

static int
by_handle(void)
{
	return reached(syscall(SYS_open_by_handle_at, -1, NULL, 0));
}

static int
set_clock(void)
{
	struct timespec	 ts = { 0, -1 };

	return reached(syscall(SYS_clock_settime, 0, &ts));
}

static int
load_module(void)
{
	return reached(syscall(SYS_finit_module, -1, "", 0));
}

static int
host_name(void)
{
	char	 name[256];

	if (gethostname(name, sizeof(name)) == -1)
		return -1;
	return sethostname(name, strlen(name));
}

/* --- numbers of other instruction sets ---------------------------------------- */

#ifdef __x86_64__
static int
call_x32(void)
{
	long	 r;

	__asm__ volatile ("syscall" : "=a"(r) :
	    "a"(0x40000000UL | SYS_getpid) : "rcx", "r11", "memory");
	if (r > 0)
		return 0;
	errno = (int)-r;
	return -1;
}

static int
call_i386(void)
{
	long	 r;

	__asm__ volatile ("int $0x80" : "=a"(r) : "a"(20 /* getpid */) :
	    "memory", "r8", "r9", "r10", "r11");
	if ((int)r > 0)
		return 0;
	errno = (int)-r;
	return -1;
}
#endif

static const struct attempt {
	const char	*name;
	int		(*fn)(void);
	int		 asked;		/* only by name */
} attempts[] = {
	{ "open-read", open_read, 0 },
	{ "open-slash", open_slash, 0 },
	{ "open-how", open_how, 0 },
	{ "create", create, 0 },
	{ "write", write_file, 0 },
	{ "truncate", truncate_file, 0 },
	{ "unlink", unlink_file, 0 },
	{ "rename", rename_file, 0 },
	{ "link", link_file, 0 },
	{ "mkdir", make_dir, 0 },
	{ "symlink", make_link, 0 },
	{ "fifo", make_fifo, 0 },
	{ "chmod", change_mode, 0 },
	{ "chmod2", change_mode2, 0 },
	{ "chown", change_owner, 0 },
	{ "utimes", change_times, 0 },
	{ "inotify", watch, 0 },
	{ "spool-queue", spool_queue, 0 },
	{ "spool-local", spool_local, 0 },
	{ "own-file", own_file, 0 },
	{ "own-fifo", own_fifo, 0 },
	{ "socket-inet", socket_inet, 0 },
	{ "socket-inet6", socket_inet6, 0 },
	{ "socket-icmp", socket_icmp, 0 },
	{ "socket-unix", socket_unix, 0 },
	{ "socket-high", socket_high, 0 },
	{ "socket-netlink", socket_netlink, 0 },
	{ "socketpair", socket_pair, 0 },
	{ "setsockopt", socket_option, 0 },
	{ "nodelay", socket_nodelay, 0 },
	{ "connect", connect_tcp, 0 },
	{ "bind", bind_tcp, 0 },
	{ "listen", listen_tcp, 0 },
	{ "fork", make_child, 0 },
	{ "clone3", make_clone3, 0 },
	{ "thread", make_thread, 0 },
	{ "exec", exec_path, 0 },
	{ "exec-fd", exec_fd, 0 },
	{ "ptrace", trace, 0 },
	{ "ptrace-other", trace_other, 0 },
	{ "vm-read", vm_read, 0 },
	{ "vm-write", vm_write, 0 },
	{ "kcmp", compare, 0 },
	{ "pidfd", pidfd, 0 },
	{ "kill", kill_victim, 0 },
	{ "kill-other", kill_other, 0 },
	{ "kill-parent", kill_parent, 0 },
	{ "tgkill", thread_kill, 0 },
	{ "sigqueue", queue_signal, 0 },
	{ "setown", own_signals, 0 },
	{ "prlimit", limits_of, 0 },
	{ "setpriority", priority_of, 0 },
	{ "setaffinity", affinity_of, 0 },
	{ "mmap-wx", map_wx, 0 },
	{ "mmap-x", map_x, 0 },
	{ "mmap-file-x", map_file_x, 0 },
	{ "mprotect-x", protect_x, 0 },
	{ "pkey-mprotect-x", protect_x_key, 0 },
	{ "shm", shared_memory, 0 },
	{ "io-uring", uring, 0 },
	{ "bpf", bpf_map, 0 },
	{ "userfaultfd", fault_fd, 0 },
	{ "perf", perf, 0 },
	{ "keyctl", key, 0 },
	{ "add-key", add_a_key, 0 },
	{ "mount", mount_fs, 0 },
	{ "fsopen", mount_new, 0 },
	{ "unshare", name_space, 0 },
	{ "chroot", change_root, 0 },
	{ "setuid", become_root, 0 },
	{ "personality", change_personality, 0 },
	{ "dumpable", dumps_on, 0 },
	{ "rlimit", cores_on, 0 },
	{ "ioctl", device_control, 0 },
	{ "by-handle", by_handle, 0 },
	{ "clock", set_clock, 0 },
	{ "module", load_module, 0 },
	{ "hostname", host_name, 0 },
#ifdef __x86_64__
	{ "x32", call_x32, 1 },
	{ "i386", call_i386, 1 },
#endif
	{ NULL, NULL, 0 }
};

static void
report(const char *name, int error)
{
	const char	*text = error == 0 ? "ok" : strerrorname_np(error);
	char		 line[256];
	int		 n;

	n = snprintf(line, sizeof(line), "%s %s %s\n", probe.tag, name,
	    text == NULL ? "?" : text);
	if (write(probe.out, line, (size_t)n) != n)
		_exit(99);
}

void
attempt_all(void)
{
	const struct attempt	*a;

	for (a = attempts; a->name != NULL; a++)
		if (probe.only[0] == '\0' ? !a->asked :
		    strcmp(a->name, probe.only) == 0)
			report(a->name, a->fn() == 0 ? 0 : errno);
	report("done", 0);
}
