; One pool of threads. threads.py tells the idea, and fills in the words in braces.
;
; What one thread writes while another reads it is alone on its 128 bytes: two lines, for
; processors fetch lines in pairs.

%bed = type { i32, i32, [64 x i8], [64 x i8], [120 x i8] } ; sleepers, -, mutex, condition
%worker = type { ptr, i64, i64, i32, [100 x i8] }          ; pool, number, its pthread_t, seen
%pool = type {
  ptr,         ;  0 @run      } written once, by threads.py
  ptr,         ;  1 @barrier  }
  i64,         ;  2 threads   }
  i64,         ;  3 pauses    } before a waiting thread yields
  i64,         ;  4 SIG_SETMASK
  [88 x i8],
  i32,         ;  6 generation: the number of jobs begun
  i32,         ;  7 stop: workers are to return
  ptr,         ;  8 the job: void (ptr frame, i64 thread)
  ptr,         ;  9 its frame
  { i32, [100 x i8] }, ; 10 the processor on which the caller began it
  i32,         ; 11 arrived at the barrier
  [124 x i8],
  i32,         ; 13 phase: the number of barriers passed
  [124 x i8],
  i64,         ; 15 owner: the thread that runs a job, 0 if none
  i64,         ; 16 workers started
  [64 x i8],   ; 17 mutex of those who want to run a job
  [48 x i8],
  %bed,        ; 19 where workers sleep
  [0 x %worker] ; 20
}

declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
declare i64 @pthread_self()
declare i32 @pthread_attr_init(ptr)
declare i32 @pthread_attr_setstacksize(ptr, i64)
declare i32 @pthread_attr_destroy(ptr)
declare i32 @pthread_sigmask(i32, ptr, ptr)
declare i32 @sigfillset(ptr)
declare i32 @sigdelset(ptr, i32)
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_trylock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
declare i32 @sched_yield()
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
{declare}

; ---------------------------------------------------------------- waiting

; Pauses, as many as are asked for: threads.py measures how long one takes.
define void @pauses(ptr %word, i64 %count) nounwind {
entry:
  br label %again
again:
  %k = phi i64 [ 0, %entry ], [ %following, %again ]
  %now = load atomic i32, ptr %word acquire, align 4
  {pause}
  %following = add i64 %k, 1
  %more = icmp slt i64 %following, %count
  br i1 %more, label %again, label %done
done:
  ret void
}

; Wait until a word is no longer what it was: spin, then yield, then sleep. A yield that finds nobody
; waiting for the processor takes a third of a microsecond, so 200 of them are a spin of their own,
; and one that lets in whoever is waited for: with other work on the machine, threads of one job
; often share a processor, and each microsecond of spinning is lost to the other.
define internal void @await(ptr %pool, ptr %word, i32 %old) noinline nounwind {
entry:
  %spins_at = getelementptr %pool, ptr %pool, i64 0, i32 3
  %spins = load i64, ptr %spins_at, align 8
  br label %spin
spin:
  %k = phi i64 [ 0, %entry ], [ %following, %pause ]
  %now = load atomic i32, ptr %word acquire, align 4
  %same = icmp eq i32 %now, %old
  br i1 %same, label %pause, label %done
pause:
  {pause}
  %following = add i64 %k, 1
  %more = icmp slt i64 %following, %spins
  br i1 %more, label %spin, label %yield
yield:
  %y = phi i64 [ 0, %pause ], [ %y_following, %yielding ]
  %y_now = load atomic i32, ptr %word acquire, align 4
  %y_same = icmp eq i32 %y_now, %old
  br i1 %y_same, label %yielding, label %done
yielding:
  %ignored = call i32 @sched_yield()
  %y_following = add i64 %y, 1
  %y_more = icmp slt i64 %y_following, 200
  br i1 %y_more, label %yield, label %sleep
sleep:
  ; Whoever changes the word then looks whether anybody sleeps; whoever wants to sleep says so and
  ; then looks at the word. Both in one order for all (seq_cst), so one of the two sees the other.
  %bed = getelementptr %pool, ptr %pool, i64 0, i32 19
  %mutex = getelementptr %bed, ptr %bed, i64 0, i32 2
  %condition = getelementptr %bed, ptr %bed, i64 0, i32 3
  %before = atomicrmw add ptr %bed, i32 1 seq_cst
  %locked = call i32 @pthread_mutex_lock(ptr %mutex)
  br label %look
look:
  %s_now = load atomic i32, ptr %word seq_cst, align 4
  %s_same = icmp eq i32 %s_now, %old
  br i1 %s_same, label %doze, label %awake
doze:
  %dozed = call i32 @pthread_cond_wait(ptr %condition, ptr %mutex)
  br label %look
awake:
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  %after = atomicrmw sub ptr %bed, i32 1 seq_cst
  br label %done
done:
  ret void
}

; Change a word, and wake whoever sleeps until it changes.
define internal void @announce(ptr %pool, ptr %word, i32 %value) nounwind {
entry:
  %old = atomicrmw xchg ptr %word, i32 %value seq_cst
  %bed = getelementptr %pool, ptr %pool, i64 0, i32 19
  %sleepers = load atomic i32, ptr %bed seq_cst, align 4
  %any = icmp ne i32 %sleepers, 0
  br i1 %any, label %wake, label %done
wake:
  %mutex = getelementptr %bed, ptr %bed, i64 0, i32 2
  %condition = getelementptr %bed, ptr %bed, i64 0, i32 3
  %locked = call i32 @pthread_mutex_lock(ptr %mutex)
  %woken = call i32 @pthread_cond_broadcast(ptr %condition)
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  br label %done
done:
  ret void
}

; All threads of a job come here before any goes on.
define void @barrier(ptr %pool) nounwind {
entry:
  %threads_at = getelementptr %pool, ptr %pool, i64 0, i32 2
  %arrived_at = getelementptr %pool, ptr %pool, i64 0, i32 11
  %phase_at = getelementptr %pool, ptr %pool, i64 0, i32 13
  %threads = load i64, ptr %threads_at, align 8
  %others = sub i64 %threads, 1
  %last = trunc i64 %others to i32
  %phase = load atomic i32, ptr %phase_at acquire, align 4
  %before = atomicrmw add ptr %arrived_at, i32 1 acq_rel
  %is_last = icmp eq i32 %before, %last
  br i1 %is_last, label %open, label %wait
open:
  store atomic i32 0, ptr %arrived_at monotonic, align 4
  %following = add i32 %phase, 1
  call void @announce(ptr %pool, ptr %phase_at, i32 %following)
  ret void
wait:
  call void @await(ptr %pool, ptr %phase_at, i32 %phase)
  ret void
}

; ---------------------------------------------------------------- processors

{processors}
; ---------------------------------------------------------------- jobs

; A worker's life.
define internal ptr @work(ptr %worker) nounwind {
entry:
  %pool = load ptr, ptr %worker, align 8
  %number_at = getelementptr %worker, ptr %worker, i64 0, i32 1
  %number = load i64, ptr %number_at, align 8
  %seen_at = getelementptr %worker, ptr %worker, i64 0, i32 3
  %first = load i32, ptr %seen_at, align 4
  %generation_at = getelementptr %pool, ptr %pool, i64 0, i32 6
  %stop_at = getelementptr %pool, ptr %pool, i64 0, i32 7
  %job_at = getelementptr %pool, ptr %pool, i64 0, i32 8
  %frame_at = getelementptr %pool, ptr %pool, i64 0, i32 9
  br label %idle
idle:
  %seen = phi i32 [ %first, %entry ], [ %following, %run ]
  call void @await(ptr %pool, ptr %generation_at, i32 %seen)
  %following = add i32 %seen, 1
  %stop = load atomic i32, ptr %stop_at acquire, align 4
  %stopped = icmp ne i32 %stop, 0
  br i1 %stopped, label %gone, label %busy
busy:
  %job = load ptr, ptr %job_at, align 8
  %frame = load ptr, ptr %frame_at, align 8
  %theirs_at = getelementptr %pool, ptr %pool, i64 0, i32 10, i32 0
  %theirs = load i32, ptr %theirs_at, align 4
  %mine = call i32 @processor()
  %together = icmp eq i32 %mine, %theirs
  br i1 %together, label %part, label %run
part:
  ; A thread is woken where its waker runs, and the system takes tenths of a second to see that two
  ; busy threads share a processor while another one is idle.
  call void @leave(i32 %mine)
  br label %run
run:
  call void %job(ptr %frame, i64 %number)
  call void @barrier(ptr %pool)
  br label %idle
gone:
  ret ptr null
}

; Run a job on all threads, the caller's among them. 0, or the number of an error: EAGAIN where the
; system gives no more threads, 35 where a job asks for its own pool.
define i64 @run(ptr %pool, ptr %job, ptr %frame) nounwind {
entry:
  %generation_at = getelementptr %pool, ptr %pool, i64 0, i32 6
  %job_at = getelementptr %pool, ptr %pool, i64 0, i32 8
  %frame_at = getelementptr %pool, ptr %pool, i64 0, i32 9
  %owner_at = getelementptr %pool, ptr %pool, i64 0, i32 15
  %mutex = getelementptr %pool, ptr %pool, i64 0, i32 17
  %self = call i64 @pthread_self()
  %owner = load atomic i64, ptr %owner_at monotonic, align 8
  %within = icmp eq i64 %owner, %self
  br i1 %within, label %refuse, label %enter
refuse:
  ret i64 35
enter:
  %locked = call i32 @pthread_mutex_lock(ptr %mutex)
  %error = call i64 @start(ptr %pool)
  %fine = icmp eq i64 %error, 0
  br i1 %fine, label %begin, label %leave
begin:
  store atomic i64 %self, ptr %owner_at monotonic, align 8
  store ptr %job, ptr %job_at, align 8
  store ptr %frame, ptr %frame_at, align 8
  %here_at = getelementptr %pool, ptr %pool, i64 0, i32 10, i32 0
  %here = call i32 @processor()
  store i32 %here, ptr %here_at, align 4
  %generation = load i32, ptr %generation_at, align 4
  %following = add i32 %generation, 1
  call void @announce(ptr %pool, ptr %generation_at, i32 %following)
  call void %job(ptr %frame, i64 0)
  call void @barrier(ptr %pool)
  store atomic i64 0, ptr %owner_at monotonic, align 8
  br label %leave
leave:
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  ret i64 %error
}

; ---------------------------------------------------------------- beginning and end

; Make a pool with no workers, of new memory, or of what a fork has copied.
define void @prepare(ptr %pool) nounwind {
entry:
  %changing = getelementptr %pool, ptr %pool, i64 0, i32 6
  %end = getelementptr %pool, ptr %pool, i64 0, i32 20
  %from = ptrtoint ptr %changing to i64
  %to = ptrtoint ptr %end to i64
  %size = sub i64 %to, %from
  call void @llvm.memset.p0.i64(ptr %changing, i8 0, i64 %size, i1 false)
  %callers = getelementptr %pool, ptr %pool, i64 0, i32 17
  %mutex = getelementptr %pool, ptr %pool, i64 0, i32 19, i32 2
  %condition = getelementptr %pool, ptr %pool, i64 0, i32 19, i32 3
  %a = call i32 @pthread_mutex_init(ptr %callers, ptr null)
  %b = call i32 @pthread_mutex_init(ptr %mutex, ptr null)
  %c = call i32 @pthread_cond_init(ptr %condition, ptr null)
  ret void
}

; Start the workers that are not there yet. Signals are for Python's own threads; only a fault, 11,
; is reported where it happens.
define i64 @start(ptr %pool) nounwind {
entry:
  %threads_at = getelementptr %pool, ptr %pool, i64 0, i32 2
  %how_at = getelementptr %pool, ptr %pool, i64 0, i32 4
  %generation_at = getelementptr %pool, ptr %pool, i64 0, i32 6
  %started_at = getelementptr %pool, ptr %pool, i64 0, i32 16
  %threads = load i64, ptr %threads_at, align 8
  %wanted = sub i64 %threads, 1
  %have = load i64, ptr %started_at, align 8
  %enough = icmp sge i64 %have, %wanted
  br i1 %enough, label %ready, label %prepare
ready:
  ret i64 0
prepare:
  %how64 = load i64, ptr %how_at, align 8
  %how = trunc i64 %how64 to i32
  %all = alloca [128 x i8], align 16
  %before = alloca [128 x i8], align 16
  %attributes = alloca [128 x i8], align 16
  %filled = call i32 @sigfillset(ptr %all)
  %removed = call i32 @sigdelset(ptr %all, i32 11)
  %masked = call i32 @pthread_sigmask(i32 %how, ptr %all, ptr %before)
  %made = call i32 @pthread_attr_init(ptr %attributes)
  %sized = call i32 @pthread_attr_setstacksize(ptr %attributes, i64 4194304)
  %generation = load i32, ptr %generation_at, align 4
  br label %next
next:
  %k = phi i64 [ %have, %prepare ], [ %following, %created ]
  %worker = getelementptr %pool, ptr %pool, i64 0, i32 20, i64 %k
  %number_at = getelementptr %worker, ptr %worker, i64 0, i32 1
  %thread_at = getelementptr %worker, ptr %worker, i64 0, i32 2
  %seen_at = getelementptr %worker, ptr %worker, i64 0, i32 3
  %following = add i64 %k, 1
  store ptr %pool, ptr %worker, align 8
  store i64 %following, ptr %number_at, align 8
  store i32 %generation, ptr %seen_at, align 4
  %error32 = call i32 @pthread_create(ptr %thread_at, ptr %attributes, ptr @work, ptr %worker)
  %error = sext i32 %error32 to i64
  %fine = icmp eq i32 %error32, 0
  br i1 %fine, label %created, label %done
created:
  store i64 %following, ptr %started_at, align 8
  %more = icmp slt i64 %following, %wanted
  br i1 %more, label %next, label %done
done:
  %destroyed = call i32 @pthread_attr_destroy(ptr %attributes)
  %restored = call i32 @pthread_sigmask(i32 %how, ptr %before, ptr null)
  ret i64 %error
}

; End the workers, unless a job is running; the next job starts them again.
define void @stop(ptr %pool) nounwind {
entry:
  %generation_at = getelementptr %pool, ptr %pool, i64 0, i32 6
  %stop_at = getelementptr %pool, ptr %pool, i64 0, i32 7
  %started_at = getelementptr %pool, ptr %pool, i64 0, i32 16
  %mutex = getelementptr %pool, ptr %pool, i64 0, i32 17
  %busy = call i32 @pthread_mutex_trylock(ptr %mutex)
  %free = icmp eq i32 %busy, 0
  br i1 %free, label %begin, label %done
begin:
  %started = load i64, ptr %started_at, align 8
  store atomic i32 1, ptr %stop_at release, align 4
  %generation = load i32, ptr %generation_at, align 4
  %following = add i32 %generation, 1
  call void @announce(ptr %pool, ptr %generation_at, i32 %following)
  br label %head
head:
  %k = phi i64 [ 0, %begin ], [ %next, %join ]
  %more = icmp slt i64 %k, %started
  br i1 %more, label %join, label %end
join:
  %thread_at = getelementptr %pool, ptr %pool, i64 0, i32 20, i64 %k, i32 2
  %thread = load i64, ptr %thread_at, align 8
  %joined = call i32 @pthread_join(i64 %thread, ptr null)
  %next = add i64 %k, 1
  br label %head
end:
  store i64 0, ptr %started_at, align 8
  store atomic i32 0, ptr %stop_at release, align 4
  %unlocked = call i32 @pthread_mutex_unlock(ptr %mutex)
  br label %done
done:
  ret void
}
