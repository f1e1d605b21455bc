//! `vip run`: the daemon.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use nix::fcntl::{Flock, FlockArg};
use tokio::sync::mpsc;
use vip_common::ids::Priority;

use crate::cli::RunArgs;
use crate::config::{ReadError, Severity};
use crate::dataplane::{Ear, Ears, Wanted};
use crate::engine::class::{self, Class, Granted, Role};
use crate::engine::published::{Published, Snapshot};
use crate::engine::queue::{Wake, queue};
use crate::engine::reader::LinkReader;
use crate::engine::{Engine, Links, rt};
use crate::error::{Exit, Failure};
use crate::kernel::hands::{Hands, Note};
use crate::kernel::{
    Assignment, Inventory, Kernel, Link, Monitor, NetlinkKernel, Untouched, hold_protocol_112,
};
use crate::plan::{Current, Plan};
use crate::privs;
use crate::services::control::Control;
use crate::services::log::{Level, Log};
use crate::services::metrics::{self, Metrics};
use crate::services::notify::Notify;
use crate::services::orders::Orders;
use crate::services::recorder::Recorder;
use crate::services::recorder::archive::{self, Archive};
use crate::services::reload::{Candidate, Source};
use crate::services::shadow::Shadow;
use crate::services::{self, Services};

use super::look;

/// Room for this many requests, outcomes and reports under way per router.
const QUEUE_PER_ROUTER: usize = 16;
const QUEUE_AT_LEAST: usize = 1024;
/// Routers, and addresses, that a reload can add at least.
const SPARE: usize = 64;
/// The hands' notes that services have not read yet.
const NOTES: usize = 256;

/// Runs until it is told to leave.
///
/// # Errors
/// A shadow that has found a difference ends with 3. Failures have
/// each a sentence and an exit code: configuration (4), capabilities or
/// kernel (5), already running or somebody else's VRID (7), or a failure
/// while running (1).
pub fn run(arguments: &RunArgs) -> Result<Exit, Failure> {
    services::hold_signals();
    let log = Log::start().map_err(|error| failed("cannot start the log", &error))?;
    log.install();
    let done = run_logged(arguments, &log);
    log.flush();
    done
}

fn run_logged(arguments: &RunArgs, log: &Log) -> Result<Exit, Failure> {
    let (source, running) = read_configuration(arguments, log)?;
    privs::require()?;
    let _lock = lock(&arguments.runtime_dir)?;

    let plan = Arc::new(Plan::started_at(&running.configuration, rt::now()));
    let mut inventory =
        Inventory::open().map_err(|error| failed("cannot ask for the interfaces", &error))?;
    let links = inventory
        .all()
        .map_err(|error| failed("cannot ask for the interfaces", &error))?;
    let read = (source, running);
    if arguments.shadow {
        let line = "SHADOW: sends nothing and changes nothing here; what the other daemon does is compared with what vip would do";
        log.line(Level::Notice, line);
        let kernel = Box::new(Untouched);
        return serve(
            arguments,
            read,
            plan,
            kernel,
            &links,
            Vec::new(),
            log.clone(),
        );
    }
    let warnings = look::before_speaking(&plan, &links)?;
    for warning in &warnings {
        log.line(Level::Warning, warning);
    }
    let kernel = Box::new(tidy(&arguments.runtime_dir, &plan, &links, log)?);
    let hold = hold_protocol_112().map_err(|error| failed("cannot hold a VRRP socket", &error))?;
    let done = serve(arguments, read, plan, kernel, &links, warnings, log.clone());
    drop(hold);
    done
}

fn failed(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("{what}: {error}"))
}

/// The configuration, with what is skipped told line by line.
fn read_configuration(arguments: &RunArgs, log: &Log) -> Result<(Source, Candidate), Failure> {
    let unread = |error: ReadError| Failure::new(Exit::Configuration, error.to_string());
    let source =
        Source::choose(arguments.file.as_deref(), arguments.id.as_deref()).map_err(unread)?;
    let candidate = source.read().map_err(unread)?;
    for remark in &candidate.remarks {
        let level = match remark.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Note => Level::Info,
        };
        log.line(level, &remark.headline);
    }
    let (name, errors) = (source.path().display(), candidate.errors());
    if arguments.strict && errors > 0 {
        let message = format!(
            "{name} has {errors} error(s) and --strict was given; 'vip check {name}' shows each with its place"
        );
        return Err(Failure::new(Exit::Configuration, message));
    }
    if !candidate.is_usable() {
        let message = format!("{name} has no usable vrrp_instance: there is nothing to run");
        return Err(Failure::new(Exit::Configuration, message));
    }
    if errors > 0 {
        log.line(Level::Warning, &format!("starts without what is wrong in {name}; 'vip check {name}' shows each with its place"));
    }
    Ok((source, candidate))
}

/// Takes the runtime directory for this process; freed when it ends, however
/// it ends. The directory itself is locked, so that no file remains.
fn lock(directory: &Path) -> Result<Flock<File>, Failure> {
    let cannot = |error: io::Error| {
        let message = format!(
            "cannot use {}: {error}; choose another directory with --runtime-dir",
            directory.display()
        );
        Failure::new(Exit::Host, message)
    };
    std::fs::create_dir_all(directory).map_err(cannot)?;
    let file = File::open(directory).map_err(cannot)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        let message = format!(
            "another vip runs with {}; stop it, or give this one a directory of its own with --runtime-dir",
            directory.display()
        );
        Failure::new(Exit::Taken, message)
    })
}

/// Removes what a dead vip has left on the interfaces: what is listed in this
/// directory, and what carries our mark and belongs to a router of ours, which no
/// other vip runs (that was looked for before).
fn tidy(
    directory: &Path,
    plan: &Plan,
    links: &[Link],
    log: &Log,
) -> Result<NetlinkKernel, Failure> {
    let mut kernel = NetlinkKernel::open(directory)
        .map_err(|error| failed("cannot handle addresses", &error))?;
    let cannot = |error| failed("cannot tidy up after the last run", &error);
    let tidied = kernel.tidy(&[]).map_err(cannot)?;
    let marked = kernel
        .take_off_marked(&assignments(plan, links))
        .map_err(cannot)?;
    for entry in tidied.removed.into_iter().chain(marked) {
        log.line(
            Level::Notice,
            &format!("removed {entry}, left by a vip that did not end in order"),
        );
    }
    for (entry, why) in tidied.left {
        log.line(
            Level::Warning,
            &format!("left {entry} alone although the last run has listed it: {why}"),
        );
    }
    if tidied.elsewhere {
        let line = format!(
            "the list of installed addresses in {} was about another network namespace and is forgotten; what a dead vip left there is still there",
            directory.display()
        );
        log.line(Level::Warning, &line);
    }
    if let Some(why) = tidied.unlisted {
        log.line(
            Level::Warning,
            &format!("cannot keep the list of installed addresses: {why}"),
        );
    }
    Ok(kernel)
}

/// The addresses of every router that can run, on the interfaces that exist.
fn assignments(plan: &Plan, links: &[Link]) -> Vec<Assignment> {
    let ifindex_of = |port: usize| {
        let name = &plan.ports[port].name;
        let link = links.iter().find(|link| link.name == *name)?;
        Some(link.index)
    };
    let routers = plan.routers.iter().filter(|router| router.runs());
    let assigned = routers.flat_map(|router| router.assignments(ifindex_of));
    assigned.collect()
}

fn serve(
    arguments: &RunArgs,
    (source, running): (Source, Candidate),
    plan: Arc<Plan>,
    kernel: Box<dyn Kernel>,
    links: &[Link],
    warnings: Vec<String>,
    log: Log,
) -> Result<Exit, Failure> {
    let capacity = u32::try_from(room_for(plan.routers.len())).unwrap_or(u32::MAX);
    let addresses = plan
        .routers
        .iter()
        .map(|router| router.all_addresses().count());
    let room_for_addresses = room_for(addresses.sum());
    let addresses = u32::try_from(room_for_addresses).unwrap_or(u32::MAX);
    // At the NIC our program would drop what the other daemon is to see.
    let xdp = if arguments.shadow {
        Wanted::Off
    } else {
        arguments.xdp
    };
    let (mut ears, ring) = Ears::load(xdp, capacity, addresses)
        .map_err(|error| Failure::new(Exit::Host, error.to_string()))?;
    let gauges = ears.gauges();
    let nic_log = ears
        .take_log()
        .filter(|_| log::log_enabled!(log::Level::Debug));
    let control = Control::open(&arguments.runtime_dir)
        .map_err(|error| failed("cannot open the control socket", &error))?;
    let metrics = Metrics::open(
        metrics::Wanted {
            listen: arguments.metrics,
            file: arguments.metrics_file.clone(),
            every: arguments.metrics_every,
        },
        &log,
    )?;
    if let Err(error) = rt::lock_memory() {
        log.line(
            Level::Warning,
            &format!("memory is not locked, a page fault may cost milliseconds: {error}"),
        );
    }

    let wake = |what: &str| Wake::new().map_err(|error| failed(what, &error));
    let (engine_wake, hands_wake, services_wake) = (
        wake("no event for the engine")?,
        wake("no event for the hands")?,
        wake("no event for the services")?,
    );
    let room = QUEUE_AT_LEAST.max(plan.routers.len() * QUEUE_PER_ROUTER);
    let (news_in, news) = queue(room, &engine_wake);
    let (outcomes_in, outcomes) = queue(room, &engine_wake);
    let (mut commands, commands_out) = queue(room, &engine_wake);
    let (requests_in, requests) = queue(room, &hands_wake);
    let (reports_in, reports) = queue(room, &services_wake);
    let (notes_in, notes) = mpsc::channel(NOTES);

    let (mut orders, wrong) = Orders::load(&arguments.runtime_dir);
    if let Some(why) = wrong {
        log.line(Level::Warning, &why);
    }
    for line in services::restore(&plan, &mut orders, &mut commands) {
        log.line(Level::Notice, &line);
    }
    let current = Current::new(Arc::clone(&plan));
    let published = plan
        .routers
        .iter()
        .map(|router| Snapshot::new(router.priority()));
    let spare = (plan.routers.len()..room_for(plan.routers.len()))
        .map(|_| Snapshot::new(Priority::DEFAULT));
    let ring = ring.map(|ring| Box::new(ring) as Box<dyn Ear>);
    let memory = ring.as_ref().and_then(|ring| ring.memory());
    let published = Published::new(published.chain(spare)).with_memory(memory);
    let published = Arc::new(published);
    let queues = Links {
        wake: engine_wake,
        news,
        outcomes,
        commands: commands_out,
        hands: requests_in,
        reports: reports_in,
    };
    let engine = Engine::new(Arc::clone(&plan), ring, queues, Arc::clone(&published))
        .map_err(|error| failed("cannot set up the engine", &error))?;
    let tell = Box::new(move |note: Note| {
        // Services that do not keep up lose words, not addresses.
        let _ = notes_in.try_send(note);
    });
    let hands = Hands::new(
        Arc::clone(&plan),
        kernel,
        ears,
        (requests, hands_wake),
        outcomes_in,
        tell,
    )
    .map_err(|error| failed("cannot set up the hands", &error))?;
    let hands = if arguments.shadow {
        hands.silenced()
    } else {
        hands
    };

    let hands = hands
        .start()
        .map_err(|error| failed("cannot start the hands", &error))?;
    let (engine, granted) =
        start_engine(engine).map_err(|error| failed("cannot start the engine", &error))?;
    let level = match granted.class {
        Class::Deadline | Class::Fifo => Level::Info,
        Class::Ordinary => Level::Warning,
    };
    log.line(level, &granted.to_string());
    let mut reader = LinkReader::new(current.clone(), Arc::clone(&published), links, news_in);
    let (shadow, onlooker) = if arguments.shadow {
        reader = reader.shadowing();
        let (shadow, onlooker) = Shadow::new();
        (Some(shadow), Some(onlooker))
    } else {
        (None, None)
    };
    let differences = shadow.as_ref().map(Shadow::differences);
    let follow = move |event| {
        reader.read(&event);
        if let Some(onlooker) = &onlooker {
            onlooker.read(&event);
        }
    };
    let monitor =
        Monitor::start(follow).map_err(|error| failed("cannot follow the interfaces", &error))?;

    let notify =
        Notify::start(&log).map_err(|error| failed("cannot start what runs scripts", &error))?;
    let recordings = match &arguments.recordings {
        Some(given) if arguments.shadow => given.join(archive::OF_SHADOW),
        Some(given) => given.clone(),
        None => arguments.runtime_dir.join(archive::DIRECTORY),
    };
    let recorder = Recorder::new(
        Archive::at(recordings),
        Arc::clone(&published),
        gauges.clone(),
        granted.to_string(),
        arguments.shadow,
        log.clone(),
    );
    let notify = if arguments.shadow {
        notify.muted()
    } else {
        notify
    };
    let services = Services {
        plan,
        current,
        published,
        gauges,
        wanted: if arguments.shadow {
            Wanted::Auto
        } else {
            arguments.xdp
        },
        reports: (reports, services_wake),
        notes,
        commands,
        control,
        nic_log,
        log,
        warnings,
        scheduling: granted,
        runtime_dir: arguments.runtime_dir.clone(),
        source,
        running,
        room: room_for_addresses,
        orders,
        notify,
        metrics,
        recorder,
        shadow,
    };
    let (ended, farewell, last_page) = services.run(|| engine.is_finished());
    // The engine says good-bye on the wire, then the hands give the addresses
    // back and close the ears.
    let engine = join(engine, "the engine");
    let hands = join(hands, "the thread that moves the addresses");
    drop(monitor);
    farewell.tell();
    last_page.write();
    ended
        .and(engine.and_then(|ran| ran.map_err(|error| failed("the engine failed", &error))))
        .and(hands)?;
    let differs = differences.is_some_and(|count| count.load(Ordering::Relaxed) > 0);
    Ok(if differs { Exit::No } else { Exit::Done })
}

/// Places for so many routers or addresses, with some to spare for reloads: what
/// the program at the NIC and the published slots have room for is fixed.
const fn room_for(count: usize) -> usize {
    count + count / 2 + SPARE
}

fn join<T>(thread: JoinHandle<T>, who: &str) -> Result<T, Failure> {
    thread
        .join()
        .map_err(|_| Failure::new(Exit::Failed, format!("{who} has panicked")))
}

type EngineThread = (JoinHandle<io::Result<()>>, Granted);

/// Starts the engine; the second value says how it is scheduled.
fn start_engine(engine: Engine) -> io::Result<EngineThread> {
    let (tell, told) = std::sync::mpsc::channel();
    let processors = engine.processors();
    let body = move || {
        let granted = class::become_punctual(Role::Engine, &processors);
        let class = granted.class;
        let _ = tell.send(granted);
        engine.run(class)
    };
    let thread = std::thread::Builder::new()
        .name("vip-engine".into())
        .spawn(body)?;
    // It says so first of all.
    let granted = told.recv().map_err(io::Error::other)?;
    Ok((thread, granted))
}
