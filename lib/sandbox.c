/* SPDX-License-Identifier: ISC */
/*
 * One table says which layers a role gets; below it the layers, for Linux
 * and for OpenBSD.
 *
 * The system call filters: most roles compute and talk on descriptors that
 * they are given, so they get a list of what is allowed; the relay, with it,
 * what makes a TCP or UDP socket.  The stores are Berkeley DB's, whose calls
 * vary with version and architecture; a list of what it needs would rot, so
 * they get a list of what no store needs.  The parent has to start the others
 * and its filter is theirs as well: it gives up what none of them needs.
 *
 * What is not allowed fails with an error instead of killing: a library that
 * probes for a file then goes on without it, as it would in an empty chroot,
 * and the attempt gains as little.  Only the numbers of another instruction
 * set kill, as no library of ours has a use for them.
 *
 * Where an argument is looked at that the kernel takes for an int, only its
 * lower half is compared, as only that is what the kernel sees.
 */
#include "compat.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "log.h"
#include "sandbox.h"

/* nothing; below "."; that and the system's, to read; as before */
#define JAIL_STACK	16384
#define EXEC_PROCESSES	32	/* at a time, of one plug-in's programs */

enum sb_fs { FS_NONE, FS_OWN, FS_LOAD, FS_ALL };
enum sb_calls { CALLS_COMPUTE, CALLS_ACCEPT, CALLS_CONNECT, CALLS_STORE,
	CALLS_PARENT, CALLS_LOAD, CALLS_EXEC };

static const struct sb_role {
	enum sb_fs	 fs;
	enum sb_calls	 calls;
	const char	*pledge;
} sb_roles[P_MAX] = {
	[P_PARENT]	= { FS_ALL, CALLS_PARENT,
			    "stdio rpath wpath cpath fattr chown flock inet "
			    "unix dns getpw recvfd sendfd proc exec" },
	[P_CONTROL]	= { FS_NONE, CALLS_ACCEPT, "stdio unix recvfd sendfd" },
	[P_FRONTEND]	= { FS_NONE, CALLS_ACCEPT, "stdio inet recvfd sendfd" },
	[P_SOAP]	= { FS_NONE, CALLS_COMPUTE, "stdio recvfd sendfd" },
	[P_KEYS]	= { FS_NONE, CALLS_COMPUTE, "stdio recvfd sendfd" },
	[P_RELAY]	= { FS_NONE, CALLS_CONNECT, "stdio inet dns recvfd sendfd" },
	[P_QUEUE]	= { FS_OWN, CALLS_STORE,
			    "stdio rpath wpath cpath fattr flock recvfd sendfd" },
	[P_LOCAL]	= { FS_OWN, CALLS_STORE,
			    "stdio rpath wpath cpath fattr flock recvfd sendfd" },
	[P_ATTACH]	= { FS_OWN, CALLS_STORE,
			    "stdio rpath wpath cpath fattr flock recvfd sendfd" },
	[P_PLUG]	= { FS_OWN, CALLS_STORE,
			    "stdio rpath wpath cpath fattr flock recvfd sendfd" },
};
/* Without a directory of its own; and while its code is loaded. */
static const struct sb_role sb_bare = { FS_NONE, CALLS_COMPUTE,
	"stdio recvfd sendfd" };
static const struct sb_role sb_bare_net = { FS_NONE, CALLS_ACCEPT,
	"stdio inet recvfd sendfd" };
static const struct sb_role sb_own_net = { FS_OWN, CALLS_STORE,
	"stdio rpath wpath cpath fattr flock inet recvfd sendfd" };
static const struct sb_role sb_load = { FS_LOAD, CALLS_LOAD,
	"stdio rpath wpath cpath fattr flock recvfd sendfd prot_exec unveil" };
static const struct sb_role sb_exec = { FS_LOAD, CALLS_EXEC,
	"stdio rpath wpath cpath fattr flock recvfd sendfd prot_exec proc exec" };

struct sb_more {		/* while code of others is loaded */
	int		 object;
	char		*const *place;
	size_t		 nplace;
};

static int	 sandbox_none_of(int resource);
static int	 sandbox_noprivs(void);
static int	 sandbox_nodump(void);
static int	 sandbox_fs(const struct sb_role *, const char *,
		    const struct sb_more *, int *abi);
static int	 sandbox_calls(const struct sb_role *);
static const struct sb_role *sandbox_role(enum proc_id,
		    const struct sandbox *);
static void	 sandbox_note(struct sandbox *, int layer, int result);

static int
sandbox_none_of(int resource)
{
	const struct rlimit	 zero = { 0, 0 };

	return setrlimit(resource, &zero);
}

#ifdef __linux__

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>

/*
 * The Landlock ABI, defined here because Debian 12's header ends at its own
 * kernel's version; see landlock(7) and the kernel's landlock.rst.
 */
#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset	444
#define __NR_landlock_add_rule		445
#define __NR_landlock_restrict_self	446
#endif
#define LL_VERSION	(1U << 0)
#define LL_RULE_PATH	1
#define LL_FS_ALL_V1	((1ULL << 13) - 1)
#define LL_FS_EXECUTE	(1ULL << 0)
#define LL_FS_WRITE	(1ULL << 1)
#define LL_FS_READ	(1ULL << 2)		/* a file */
#define LL_FS_LIST	(1ULL << 3)		/* a directory */
#define LL_FS_STORE	0x1beULL		/* files and directories, no more */
#define LL_FS_REFER	(1ULL << 13)		/* ABI 2 */
#define LL_FS_TRUNCATE	(1ULL << 14)		/* ABI 3 */
#define LL_FS_IOCTL	(1ULL << 15)		/* ABI 5 */
#define LL_NET_BIND	1ULL			/* ABI 4 */
#define LL_NET_CONNECT	2ULL
#define LL_SCOPE_BOTH	3ULL			/* ABI 6: abstract unix, signals */

struct ll_ruleset {
	uint64_t	 fs, net, scope;
};
struct ll_path {
	uint64_t	 allowed;
	int32_t		 fd;
} __attribute__((packed));

static int	 landlock_rule(int, const char *, uint64_t);
static int	 landlock_load(int, const struct sb_more *, int exec);
static int	 landlock_path(int, const char *, uint64_t);
static int	 calls_add(scmp_filter_ctx, uint32_t, const int *, size_t);
static int	 calls_allow_some(scmp_filter_ctx, int call, unsigned int arg,
		    const unsigned int *, size_t);
static int	 calls_sending(scmp_filter_ctx, uint32_t, unsigned int);
static int	 calls_allow_socket(scmp_filter_ctx);
static int	 calls_allow_option(scmp_filter_ctx);
static int	 calls_allow_memory(scmp_filter_ctx);
static int	 calls_allow(scmp_filter_ctx, enum sb_calls);
static int	 calls_deny_some(scmp_filter_ctx);
static int	 calls_deny_clone(scmp_filter_ctx);
static int	 calls_deny(scmp_filter_ctx, enum sb_calls);

/*
 * Below dir a store may read, write, make, remove and rename files and
 * directories; it has no programs, devices, sockets, fifos or symbolic links.
 */
static int
landlock_rule(int rs, const char *dir, uint64_t handled)
{
	struct ll_path	 rule;
	int		 ret;

	rule.allowed = handled & (LL_FS_STORE | LL_FS_REFER | LL_FS_TRUNCATE);
	if ((rule.fd = open(dir, O_PATH | O_CLOEXEC | O_DIRECTORY)) == -1)
		return -1;
	ret = (int)syscall(__NR_landlock_add_rule, rs, LL_RULE_PATH, &rule, 0);
	close(rule.fd);
	return ret;
}

/* What a system does not have it does not need. */
static int
landlock_path(int rs, const char *path, uint64_t allowed)
{
	struct ll_path	 rule;
	int		 ret;

	rule.allowed = allowed;
	if (allowed == 0 || (rule.fd = open(path, O_PATH | O_CLOEXEC)) == -1)
		return 0;
	ret = (int)syscall(__NR_landlock_add_rule, rs, LL_RULE_PATH, &rule, 0);
	close(rule.fd);
	return ret;
}

/* Libraries and, with exec, programs and what they read; the object itself. */
static int
landlock_load(int rs, const struct sb_more *more, int exec)
{
	static const struct {
		const char	*path;
		uint64_t	 allowed, exec;	/* without and with exec */
	} list[] = {
		{ "/usr", LL_FS_READ | LL_FS_LIST, LL_FS_EXECUTE },
		{ "/lib", LL_FS_READ | LL_FS_LIST, LL_FS_EXECUTE },
		{ "/lib64", LL_FS_READ | LL_FS_LIST, LL_FS_EXECUTE },
		{ "/bin", 0, LL_FS_EXECUTE | LL_FS_READ | LL_FS_LIST },
		{ "/etc/ld.so.cache", LL_FS_READ, 0 },
		{ "/etc", 0, LL_FS_READ | LL_FS_LIST },
		{ "/dev/null", 0, LL_FS_READ | LL_FS_WRITE },
		{ "/dev/urandom", 0, LL_FS_READ },
	};
	struct ll_path	 rule;
	struct stat	 st;
	uint64_t	 all;
	size_t		 i;
	int		 ret = 0;

	for (i = 0; i < nitems(list) && ret == 0; i++)
		ret = landlock_path(rs, list[i].path, list[i].allowed |
		    (exec ? list[i].exec : 0));
	for (i = 0; i < more->nplace && ret == 0; i++) {
		/* A rule for a file may not speak of directories. */
		all = LL_FS_EXECUTE | LL_FS_READ;
		if (stat(more->place[i], &st) == 0 && S_ISDIR(st.st_mode))
			all |= LL_FS_LIST;
		ret = landlock_path(rs, more->place[i], all);
	}
	rule.allowed = LL_FS_READ | (exec ? LL_FS_EXECUTE : 0);
	rule.fd = more->object;
	if (ret == 0 && more->object != -1)
		ret = (int)syscall(__NR_landlock_add_rule, rs, LL_RULE_PATH,
		    &rule, 0);
	return ret;
}

static int
sandbox_fs(const struct sb_role *role, const char *dir,
    const struct sb_more *more, int *abi_used)
{
	struct ll_ruleset	 attr;
	long			 abi;
	size_t			 size;
	int			 rs, ret = -1;

	abi = syscall(__NR_landlock_create_ruleset, NULL, 0, LL_VERSION);
	if (abi < 1)
		return -1;
	memset(&attr, 0, sizeof(attr));
	attr.fs = LL_FS_ALL_V1;
	if (abi >= 2)
		attr.fs |= LL_FS_REFER;
	if (abi >= 3)
		attr.fs |= LL_FS_TRUNCATE;
	if (abi >= 5)
		attr.fs |= LL_FS_IOCTL;
	if (abi >= 4)
		attr.net = LL_NET_BIND | (role->calls != CALLS_CONNECT ?
		    LL_NET_CONNECT : 0);
	if (abi >= 6)
		attr.scope = LL_SCOPE_BOTH;
	size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 16 : 8;
	rs = (int)syscall(__NR_landlock_create_ruleset, &attr, size, 0);
	if (rs == -1)
		return -1;
	if ((role->fs == FS_NONE || dir == NULL ||
	    landlock_rule(rs, dir, attr.fs) == 0) &&
	    (role->fs != FS_LOAD || landlock_load(rs, more,
	    role->calls == CALLS_EXEC) == 0) &&
	    syscall(__NR_landlock_restrict_self, rs, 0) == 0) {
		*abi_used = (int)abi;
		ret = 0;
	}
	close(rs);
	return ret;
}

/* What none of the processes, nor a library in it, has any use for. */
static const int calls_kernel[] = {
#ifndef SB_ASAN			/* whose search for leaks is done with it */
	SCMP_SYS(ptrace),
#endif
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise), SCMP_SYS(kcmp), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(mount), SCMP_SYS(umount), SCMP_SYS(umount2),
	SCMP_SYS(pivot_root), SCMP_SYS(fsopen), SCMP_SYS(fspick),
	SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(open_tree),
	SCMP_SYS(move_mount), SCMP_SYS(mount_setattr), SCMP_SYS(setns),
	SCMP_SYS(unshare), SCMP_SYS(bpf), SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
	SCMP_SYS(io_setup), SCMP_SYS(keyctl), SCMP_SYS(add_key),
	SCMP_SYS(request_key), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot),
	SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct),
	SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
	SCMP_SYS(clock_settime64), SCMP_SYS(clock_adjtime),
	SCMP_SYS(clock_adjtime64), SCMP_SYS(adjtimex), SCMP_SYS(stime),
	SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(iopl),
	SCMP_SYS(ioperm), SCMP_SYS(modify_ldt), SCMP_SYS(vm86),
	SCMP_SYS(vm86old), SCMP_SYS(uselib), SCMP_SYS(nfsservctl),
	SCMP_SYS(syslog), SCMP_SYS(vhangup), SCMP_SYS(lookup_dcookie),
	SCMP_SYS(quotactl), SCMP_SYS(quotactl_fd),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at),
	SCMP_SYS(fanotify_init), SCMP_SYS(fanotify_mark),
	SCMP_SYS(move_pages), SCMP_SYS(migrate_pages),
	SCMP_SYS(remap_file_pages), SCMP_SYS(mknod), SCMP_SYS(mknodat),
};

/* Programs and processes; clone3 as well, see calls_deny_clone(). */
static const int calls_programs[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),
	SCMP_SYS(vfork), SCMP_SYS(clone), SCMP_SYS(kill),
};

/* Other ways to talk; who was given no socket can accept(2) from none. */
static const int calls_talk[] = {
	SCMP_SYS(socket), SCMP_SYS(connect),
	SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(setsockopt),
	SCMP_SYS(shmget), SCMP_SYS(shmat), SCMP_SYS(shmctl), SCMP_SYS(semget), SCMP_SYS(semctl),
	SCMP_SYS(semop), SCMP_SYS(msgget), SCMP_SYS(msgsnd),
	SCMP_SYS(msgrcv), SCMP_SYS(msgctl), SCMP_SYS(mq_open),
	SCMP_SYS(mq_unlink),
};

/* What no store needs, either. */
static const int calls_store[] = {
	SCMP_SYS(ptrace), SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_send_signal), SCMP_SYS(process_mrelease),
	SCMP_SYS(setpriority), SCMP_SYS(ioprio_set),
	SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_setparam),
	SCMP_SYS(sched_setattr), SCMP_SYS(sched_setaffinity),
	SCMP_SYS(setpgid), SCMP_SYS(setsid), SCMP_SYS(setrlimit),
	SCMP_SYS(prctl), SCMP_SYS(personality),
	/* who it is and where */
	SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid),
	SCMP_SYS(setregid), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
	SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(setgroups),
	SCMP_SYS(capset), SCMP_SYS(chroot), SCMP_SYS(chdir),
	SCMP_SYS(fchdir),
	/* what Landlock leaves open for all files that it can name */
	SCMP_SYS(chmod), SCMP_SYS(fchmodat), SCMP_SYS(chown),
	SCMP_SYS(lchown), SCMP_SYS(fchown), SCMP_SYS(fchownat),
	SCMP_SYS(utime), SCMP_SYS(utimes), SCMP_SYS(futimesat),
	SCMP_SYS(utimensat), SCMP_SYS(utimensat_time64),
	SCMP_SYS(setxattr), SCMP_SYS(lsetxattr), SCMP_SYS(removexattr),
	SCMP_SYS(lremovexattr), SCMP_SYS(truncate), SCMP_SYS(truncate64),
	SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink),
	SCMP_SYS(symlinkat), SCMP_SYS(inotify_init),
	SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch),
	/* the rest */
	SCMP_SYS(socketpair), SCMP_SYS(ioctl), SCMP_SYS(pkey_mprotect),
};

/*
 * Later than Debian 12's library, so by their numbers, which are the same on
 * all architectures: fchmodat2, setxattrat, removexattrat, open_tree_attr,
 * file_setattr.
 */
static const int calls_late[] = { 452, 463, 466, 467, 469 };

/* What it takes to compute and to talk on descriptors that are there. */
static const int calls_compute[] = {
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
	SCMP_SYS(pread64), SCMP_SYS(recvmsg), SCMP_SYS(recvfrom),
	SCMP_SYS(recv), SCMP_SYS(close), SCMP_SYS(shutdown),
	SCMP_SYS(fstat), SCMP_SYS(fstat64), SCMP_SYS(lseek),
	SCMP_SYS(_llseek), SCMP_SYS(brk), SCMP_SYS(munmap),
	SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(mlock),
	SCMP_SYS(munlock), SCMP_SYS(getpid), SCMP_SYS(gettid),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getuid32),
	SCMP_SYS(geteuid32), SCMP_SYS(getrandom), SCMP_SYS(futex),
	SCMP_SYS(futex_time64), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(sysinfo),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(clock_nanosleep_time64),
	SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_ctl), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(memfd_create),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(restart_syscall), SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* What sockets take, once they are there. */
static const int calls_sockets[] = {
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
	SCMP_SYS(uname),
};
static const int calls_accept[] = { SCMP_SYS(accept), SCMP_SYS(accept4) };
static const int calls_connect[] = { SCMP_SYS(connect) };

/*
 * Those that send, and where their flags are: with MSG_FASTOPEN they connect
 * a TCP socket that is not, or not any more, to wherever they say.
 */
static const struct {
	int		 call;
	unsigned int	 flags;
} calls_send[] = {
	{ SCMP_SYS(sendto), 3 }, { SCMP_SYS(send), 3 },
	{ SCMP_SYS(sendmsg), 2 }, { SCMP_SYS(sendmmsg), 3 },
};

/* Asynchronous input sends signals to whom its owner names. */
static const unsigned int fcntl_never[] = { F_SETOWN, F_SETOWN_EX, F_SETSIG,
	F_SETLEASE, F_NOTIFY };
static const unsigned int fcntl_allowed[] = { F_GETFD, F_SETFD, F_GETFL,
	F_SETFL, F_DUPFD, F_DUPFD_CLOEXEC, F_ADD_SEALS, F_GET_SEALS };
static const unsigned int ioctl_allowed[] = { FIONREAD, FIONBIO };

static int
calls_add(scmp_filter_ctx ctx, uint32_t action, const int *list, size_t n)
{
	size_t	 i;

	/* One that this architecture does not have is passed over there. */
	for (i = 0; i < n; i++)
		if (seccomp_rule_add(ctx, action, list[i], 0) != 0)
			return -1;
	return 0;
}

/* The call, where the lower half of its argument is one of the values. */
static int
calls_allow_some(scmp_filter_ctx ctx, int call, unsigned int arg,
    const unsigned int *value, size_t n)
{
	size_t	 i;

	for (i = 0; i < n; i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1,
		    SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, 0xffffffffU,
		    value[i])) != 0)
			return -1;
	return 0;
}

/* Sending, where it does not connect; or its refusal, where it does. */
static int
calls_sending(scmp_filter_ctx ctx, uint32_t action, unsigned int value)
{
	size_t	 i;

	for (i = 0; i < nitems(calls_send); i++)
		if (seccomp_rule_add(ctx, action, calls_send[i].call, 1,
		    SCMP_CMP(calls_send[i].flags, SCMP_CMP_MASKED_EQ,
		    MSG_FASTOPEN, value)) != 0)
			return -1;
	return 0;
}

/* TCP and UDP; not raw, not netlink, no other family. */
static int
calls_allow_socket(scmp_filter_ctx ctx)
{
	static const unsigned int	 families[] = { AF_INET, AF_INET6 };
	static const unsigned int	 types[] = { SOCK_STREAM, SOCK_DGRAM };
	size_t				 f, t;

	for (f = 0; f < nitems(families); f++)
		for (t = 0; t < nitems(types); t++)
			if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW,
			    SCMP_SYS(socket), 2, SCMP_CMP(0,
			    SCMP_CMP_MASKED_EQ, 0xffffffffU, families[f]),
			    SCMP_CMP(1, SCMP_CMP_MASKED_EQ, 0xffffffffU &
			    ~(unsigned int)(SOCK_CLOEXEC | SOCK_NONBLOCK),
			    types[t])) != 0)
				return -1;
	return 0;
}

/* Two options of TCP, the latter c-ares's: the others are a large door. */
static int
calls_allow_option(scmp_filter_ctx ctx)
{
	static const unsigned int	 options[] = { TCP_NODELAY,
					    TCP_FASTOPEN_CONNECT };
	size_t				 i;

	for (i = 0; i < nitems(options); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt),
		    2, SCMP_CMP(1, SCMP_CMP_MASKED_EQ, 0xffffffffU,
		    IPPROTO_TCP), SCMP_CMP(2, SCMP_CMP_MASKED_EQ, 0xffffffffU,
		    options[i])) != 0)
			return -1;
	return 0;
}

/* No memory is ever executed that was not when the program began. */
static int
calls_allow_memory(scmp_filter_ctx ctx)
{
	static const int	 list[] = { SCMP_SYS(mmap), SCMP_SYS(mmap2),
				    SCMP_SYS(mprotect) };
	size_t			 i;

	for (i = 0; i < nitems(list); i++)
		if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, list[i], 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) != 0)
			return -1;
	return 0;
}

/* For a filter that denies: all that the role needs. */
static int
calls_allow(scmp_filter_ctx ctx, enum sb_calls calls)
{
	const uint32_t	 yes = SCMP_ACT_ALLOW;

	if (calls_add(ctx, yes, calls_compute, nitems(calls_compute)) == -1 ||
	    calls_sending(ctx, yes, 0) == -1 ||
	    calls_allow_memory(ctx) == -1 ||
	    calls_allow_some(ctx, SCMP_SYS(fcntl), 1, fcntl_allowed,
	    nitems(fcntl_allowed)) == -1 ||
	    calls_allow_some(ctx, SCMP_SYS(fcntl64), 1, fcntl_allowed,
	    nitems(fcntl_allowed)) == -1 ||
	    /* abort(3): a signal to itself, not to another process */
	    seccomp_rule_add(ctx, yes, SCMP_SYS(tgkill), 1,
	    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)) != 0)
		return -1;
	if (calls == CALLS_COMPUTE)
		return 0;
	if (calls_add(ctx, yes, calls_sockets, nitems(calls_sockets)) == -1 ||
	    calls_allow_option(ctx) == -1 ||
	    calls_allow_some(ctx, SCMP_SYS(ioctl), 1, ioctl_allowed,
	    nitems(ioctl_allowed)) == -1)
		return -1;
	if (calls == CALLS_ACCEPT)
		return calls_add(ctx, yes, calls_accept, nitems(calls_accept));
	if (calls_add(ctx, yes, calls_connect, nitems(calls_connect)) == -1)
		return -1;
	return calls_allow_socket(ctx);
}

/* Arguments that a store never needs. */
static int
calls_deny_some(scmp_filter_ctx ctx)
{
	static const int	 list[] = { SCMP_SYS(mmap), SCMP_SYS(mmap2),
				    SCMP_SYS(mprotect) };
	const uint32_t		 no = SCMP_ACT_ERRNO(EPERM);
	size_t			 i;

	for (i = 0; i < nitems(list); i++)
		if (seccomp_rule_add(ctx, no, list[i], 1,
		    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)) != 0)
			return -1;
	for (i = 0; i < nitems(fcntl_never); i++)
		if (seccomp_rule_add(ctx, no, SCMP_SYS(fcntl), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU,
		    fcntl_never[i])) != 0 ||
		    seccomp_rule_add(ctx, no, SCMP_SYS(fcntl64), 1,
		    SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffU,
		    fcntl_never[i])) != 0)
			return -1;
	/* Its own limits can be read, none can be set. */
	if (seccomp_rule_add(ctx, no, SCMP_SYS(prlimit64), 1,
	    SCMP_A0(SCMP_CMP_NE, 0, 0)) != 0 ||
	    seccomp_rule_add(ctx, no, SCMP_SYS(prlimit64), 1,
	    SCMP_A2(SCMP_CMP_NE, 0, 0)) != 0 ||
	    seccomp_rule_add(ctx, no, SCMP_SYS(tgkill), 1,
	    SCMP_A0(SCMP_CMP_NE, (scmp_datum_t)getpid(), 0)) != 0)
		return -1;
	return 0;
}

/* glibc takes the older call when it is told that there is no clone3. */
static int
calls_deny_clone(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3),
	    0) == 0 ? 0 : -1;
}

/* For a filter that allows: all that the role has no use for. */
static int
calls_deny(scmp_filter_ctx ctx, enum sb_calls calls)
{
	const uint32_t	 no = SCMP_ACT_ERRNO(EPERM);

	if (calls_add(ctx, no, calls_kernel, nitems(calls_kernel)) == -1)
		return -1;
	if (calls != CALLS_STORE && calls != CALLS_LOAD && calls != CALLS_EXEC)
		return 0;
	if (calls_add(ctx, no, calls_talk, nitems(calls_talk)) == -1 ||
	    calls_sending(ctx, no, MSG_FASTOPEN) == -1)
		return -1;
	if (calls == CALLS_EXEC)
		return 0;
	if (calls_add(ctx, no, calls_programs, nitems(calls_programs)) == -1 ||
	    calls_deny_clone(ctx) == -1)
		return -1;
	if (calls == CALLS_LOAD)
		return 0;
	if (calls_add(ctx, no, calls_store, nitems(calls_store)) == -1 ||
	    calls_add(ctx, no, calls_late, nitems(calls_late)) == -1)
		return -1;
	return calls_deny_some(ctx);
}

static int
sandbox_calls(const struct sb_role *role)
{
	scmp_filter_ctx	 ctx;
	int		 denies, ret = -1;

#ifdef SB_ASAN
	/* The sanitizer's run time needs calls of its own. */
	denies = 0;
#else
	denies = role->calls == CALLS_COMPUTE ||
	    role->calls == CALLS_ACCEPT || role->calls == CALLS_CONNECT;
#endif
	ctx = seccomp_init(denies ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW);
	if (ctx == NULL)
		return -1;
	/* keys has a worker thread by now: the filter must cover it */
	if ((denies ? calls_allow(ctx, role->calls) :
	    calls_deny(ctx, role->calls)) == 0 &&
	    seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
	    SCMP_ACT_KILL_PROCESS) == 0 &&
	    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
	    seccomp_load(ctx) == 0)
		ret = 0;
	seccomp_release(ctx);
	return ret;
}

struct jail_arg {
	const char	*dir;
	int		 fd, other;
};

static int
jail_keeper(void *v)
{
	const struct jail_arg	*a = v;
	char			 c;

	close(a->other);
	if (read(a->fd, &c, 1) != 1)
		return 1;
	return chroot(a->dir) == -1 || chdir("/") == -1;
}

/*
 * A child that shares with us nothing but root and current directory, and
 * keeps the right to change them until we have loaded the code.
 */
int
sandbox_jail_begin(const char *dir, struct sandbox *sb)
{
	struct jail_arg	 a = { .dir = dir };
	char		*stack;
	int		 fd[2];

	/* Its memory is a copy, so the stack is ours to free. */
	if ((stack = malloc(JAIL_STACK)) == NULL || pipe2(fd, O_CLOEXEC) ==
	    -1) {
		free(stack);
		return -1;
	}
	a.fd = fd[0];
	a.other = fd[1];
	sb->jail_pid = clone(jail_keeper, stack + JAIL_STACK, CLONE_FS |
	    SIGCHLD, &a);
	sb->jail_fd = fd[1];
	free(stack);
	close(fd[0]);
	if (sb->jail_pid == -1)
		close(fd[1]);
	return sb->jail_pid == -1 ? -1 : 0;
}

int
sandbox_jail_enter(struct sandbox *sb)
{
	ssize_t	 n;
	int	 status;

	n = write(sb->jail_fd, "", 1);
	close(sb->jail_fd);
	if (n != 1 || waitpid(sb->jail_pid, &status, 0) == -1)
		return -1;
	if (status == 0)
		return 0;
	errno = EPERM;
	return -1;
}

static int
sandbox_noprivs(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int
sandbox_nodump(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

#elif defined(__OpenBSD__)

/* There unveil(2) alone does what chroot(2) does. */
int
sandbox_jail_begin(const char *dir, struct sandbox *sb)
{
	(void)sb;
	return chdir(dir);
}

int
sandbox_jail_enter(struct sandbox *sb)
{
	(void)sb;
	return 0;
}

static int
sandbox_fs(const struct sb_role *role, const char *dir,
    const struct sb_more *more, int *abi)
{
	(void)abi;
	(void)more;
	/* What is loaded is read; later it is narrowed. */
	if (role->fs == FS_LOAD)
		return 0;
	if (role->fs == FS_OWN && dir != NULL && unveil(dir, "rwc") == -1)
		return -1;
	if (role->fs == FS_NONE && unveil("/", "") == -1)
		return -1;
	return unveil(NULL, NULL);
}

static int
sandbox_calls(const struct sb_role *role)
{
	return pledge(role->pledge, "");
}

/* Both are the system's: exec leaves pledge(2), but none is ever promised. */
static int
sandbox_noprivs(void)
{
	return 0;
}

static int
sandbox_nodump(void)
{
	return 0;
}

#else
#error "no sandbox for this system"
#endif

/* A layer of which a part failed is missing. */
static void
sandbox_note(struct sandbox *sb, int layer, int result)
{
	if (result != 0)
		sb->missing |= layer;
	sb->applied |= layer;
	sb->applied &= ~sb->missing;
}

static const struct sb_role *
sandbox_role(enum proc_id id, const struct sandbox *sb)
{
	if (sb->bare)
		return sb->sockets ? &sb_bare_net : &sb_bare;
	return sb->sockets ? &sb_own_net : &sb_roles[id];
}

void
sandbox_begin(enum proc_id id, const char *dir, struct sandbox *sb)
{
	const struct sb_role	*role;

	sb->bare = sb_roles[id].fs == FS_OWN && dir == NULL;
	role = sandbox_role(id, sb);
	sandbox_note(sb, SB_NOPRIVS, sandbox_noprivs());
	sandbox_note(sb, SB_NODUMP, sandbox_nodump());
	sandbox_note(sb, SB_LIMITS, sandbox_none_of(RLIMIT_CORE));
	if (role->fs != FS_ALL)
		sandbox_note(sb, SB_FS, sandbox_fs(role, dir, NULL, &sb->abi));
}

void
sandbox_close(enum proc_id id, struct sandbox *sb)
{
	const struct sb_role	*role = sandbox_role(id, sb);

	if (id != P_PARENT)
		sandbox_note(sb, SB_LIMITS, sandbox_none_of(RLIMIT_NPROC));
	sandbox_note(sb, SB_SYSCALL, sandbox_calls(role));
}

void
sandbox_load(const char *dir, int object, int exec, char *const *place,
    size_t nplace, struct sandbox *sb)
{
	const struct sb_more	 more = { object, place, nplace };
	const struct sb_role	*role = exec ? &sb_exec : &sb_load;
	const struct rlimit	 few = { EXEC_PROCESSES, EXEC_PROCESSES };

	sandbox_note(sb, SB_NOPRIVS, sandbox_noprivs());
	sandbox_note(sb, SB_NODUMP, sandbox_nodump());
	sandbox_note(sb, SB_LIMITS, sandbox_none_of(RLIMIT_CORE));
	/* It counts the processes of the user, which may not be its own. */
	if (!exec)
		sandbox_note(sb, SB_LIMITS, sandbox_none_of(RLIMIT_NPROC));
	else if (sb->applied & SB_UID)
		sandbox_note(sb, SB_LIMITS, setrlimit(RLIMIT_NPROC, &few));
	sandbox_note(sb, SB_FS, sandbox_fs(role, dir, &more, &sb->abi));
	sandbox_note(sb, SB_SYSCALL, sandbox_calls(role));
}

char *
sandbox_str(int mask, char *buf, size_t size)
{
	static const struct {
		int		 bit;
		const char	*name;
	} names[] = {
		{ SB_NOPRIVS,	"no-new-privs" },
		{ SB_NODUMP,	"no-dump" },
		{ SB_LIMITS,	"rlimits" },
		{ SB_CHROOT,	"chroot" },
		{ SB_UID,	"uid" },
#ifdef __OpenBSD__
		{ SB_FS,	"unveil" },
		{ SB_SYSCALL,	"pledge" },
#else
		{ SB_FS,	"landlock" },
		{ SB_SYSCALL,	"seccomp" },
#endif
	};
	size_t	 i;

	buf[0] = '\0';
	for (i = 0; i < nitems(names); i++) {
		if (!(mask & names[i].bit))
			continue;
		if (buf[0] != '\0')
			(void)strlcat(buf, " ", size);
		(void)strlcat(buf, names[i].name, size);
	}
	return buf;
}
